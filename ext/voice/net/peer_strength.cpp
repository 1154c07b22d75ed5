// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/net/peer_strength.hpp"

#include <openssl/x509.h>

#include <memory>

namespace dv::voice {
namespace {

constexpr int kMinBits = 112;

using X509Ptr = std::unique_ptr<X509, decltype(&X509_free)>;

X509Ptr parse(GTlsCertificate *certificate) {
  GByteArray *der = nullptr;
  g_object_get(certificate, "certificate", &der, nullptr);
  if (der == nullptr) return {nullptr, X509_free};
  const unsigned char *p = der->data;
  X509Ptr x509(d2i_X509(nullptr, &p, static_cast<long>(der->len)), X509_free);
  g_byte_array_unref(der);
  return x509;
}

}  // namespace

std::string peer_weakness(GTlsConnection *connection) {
  GTlsCertificate *certificate = g_tls_connection_get_peer_certificate(connection);
  if (certificate == nullptr) return "the server showed no certificate";
  for (; certificate != nullptr; certificate = g_tls_certificate_get_issuer(certificate)) {
    X509Ptr x509 = parse(certificate);
    if (!x509) return "the certificate can not be read";
    EVP_PKEY *key = X509_get0_pubkey(x509.get());
    if (key == nullptr || EVP_PKEY_get_security_bits(key) < kMinBits) {
      return "the certificate's key is too weak";
    }
    // A root's own signature proves nothing and is not relied upon.
    const bool is_root =
        g_tls_certificate_get_issuer(certificate) == nullptr &&
        X509_NAME_cmp(X509_get_subject_name(x509.get()), X509_get_issuer_name(x509.get())) == 0;
    int bits = 0;
    if (!is_root && (X509_get_signature_info(x509.get(), nullptr, nullptr, &bits, nullptr) != 1 ||
                     bits < kMinBits)) {
      return "the certificate's signature is too weak";
    }
  }
  return {};
}

}  // namespace dv::voice
