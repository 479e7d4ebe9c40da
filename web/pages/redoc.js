// No web fonts: system ones, so that nothing is asked of another host.
Redoc.init(
  "/openapi.json",
  {
    hideDownloadButton: false,
    nativeScrollbars: true,
    theme: { typography: { fontFamily: "system-ui, sans-serif", headings: { fontFamily: "system-ui, sans-serif" } } },
  },
  document.getElementById("redoc"),
);
