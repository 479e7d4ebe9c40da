# Pages embedded in the binary.
