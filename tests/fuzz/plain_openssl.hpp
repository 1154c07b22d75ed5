// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <openssl/crypto.h>

#include <cstddef>

extern "C" {
void *__libc_malloc(std::size_t);
void *__libc_realloc(void *, std::size_t);
void __libc_free(void *);

/**
 * libFuzzer calls it before anything else. OpenSSL takes its own memory from the C library and not
 * from ASan, whose bookkeeping of it costs more than all that is under test. OpenSSL's own code is
 * not instrumented anyway.
 */
[[gnu::used]] inline int LLVMFuzzerInitialize(int *, char ***) {
  CRYPTO_set_mem_functions(
      [](std::size_t size, const char *, int) { return __libc_malloc(size); },
      [](void *p, std::size_t size, const char *, int) { return __libc_realloc(p, size); },
      [](void *p, const char *, int) { __libc_free(p); });
  return 0;
}
}
