/*
 * lapack.h -- the LAPACK and BLAS routines in use, as Fortran compilers export them.
 *
 * Integers are 32-bit; matrices are column-major; every argument is a pointer. gfortran passes the
 * length of each character argument, by value, after all others. The reference libraries are linked
 * statically (DESIGN 3.2): their sums have one fixed order.
 */
#ifndef MW_LEARN_STAT_LAPACK_H
#define MW_LEARN_STAT_LAPACK_H

#include <stddef.h>
#include <stdint.h>

/* C [n][n] = alpha A A' + beta C for A [n][k] (trans 'N'); only triangle uplo of C is touched. */
void dsyrk_(const char *uplo, const char *trans, const int32_t *n, const int32_t *k,
            const double *alpha, const double *a, const int32_t *lda, const double *beta, double *c,
            const int32_t *ldc, size_t uplo_length, size_t trans_length);

/* Cholesky factor of a symmetric positive definite matrix, in place; info > 0: it is not. */
void dpotrf_(const char *uplo, const int32_t *n, double *a, const int32_t *lda, int32_t *info,
             size_t uplo_length);

/* Solves with that factor; b [n][nrhs] becomes the solution. */
void dpotrs_(const char *uplo, const int32_t *n, const int32_t *nrhs, const double *a,
             const int32_t *lda, double *b, const int32_t *ldb, int32_t *info, size_t uplo_length);

/* Least squares of minimum norm by divide-and-conquer singular values; lwork -1 asks for sizes. */
void dgelsd_(const int32_t *m, const int32_t *n, const int32_t *nrhs, double *a, const int32_t *lda,
             double *b, const int32_t *ldb, double *s, const double *rcond, int32_t *rank,
             double *work, const int32_t *lwork, int32_t *iwork, int32_t *info);

#endif
