// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/net/trust.hpp"

namespace dv::voice {

GTlsDatabase *load_trust(const std::string &ca_file, std::string &error) {
  GError *problem = nullptr;
  GTlsDatabase *trust = g_tls_file_database_new(ca_file.c_str(), &problem);
  if (trust == nullptr) {
    error = problem->message;
    g_error_free(problem);
  }
  return trust;
}

}  // namespace dv::voice
