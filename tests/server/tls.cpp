// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/server/tls.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <utility>

namespace dv::server {

namespace {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T *p) const {
    Free(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using Cert = std::unique_ptr<X509, Freer<X509_free>>;

constexpr long kDay = 24L * 3600;

Key make_key(bool weak) { return Key(weak ? EVP_RSA_gen(1024) : EVP_EC_gen("P-256")); }

bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, cert, nullptr, nullptr, 0);
  std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  return extension && X509_add_ext(cert, extension.get(), -1) == 1;
}

struct Request {
  const char *name;
  bool authority = false;
  const char *hosts = nullptr;
  long from = -kDay;
  long until = 30 * kDay;
};

Cert make_certificate(const Request &request, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key) {
  Cert cert(X509_new());
  std::uint8_t serial[8];
  if (!cert || RAND_bytes(serial, sizeof serial) != 1) return nullptr;
  serial[0] &= 0x7f;
  std::unique_ptr<BIGNUM, Freer<BN_free>> number(BN_bin2bn(serial, sizeof serial, nullptr));
  BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(cert.get()));
  X509_set_version(cert.get(), X509_VERSION_3);
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), request.from);
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), request.until);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(cert.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char *>(request.name), -1, -1, 0);
  X509_set_pubkey(cert.get(), key);
  X509 *signer = issuer != nullptr ? issuer : cert.get();
  X509_set_issuer_name(cert.get(), X509_get_subject_name(signer));
  const bool ok = add_extension(cert.get(), signer, NID_basic_constraints,
                                request.authority ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
                  add_extension(cert.get(), signer, NID_key_usage,
                                request.authority ? "critical,keyCertSign,cRLSign"
                                                  : "critical,digitalSignature,keyEncipherment") &&
                  add_extension(cert.get(), signer, NID_subject_key_identifier, "hash") &&
                  (request.hosts == nullptr ||
                   (add_extension(cert.get(), signer, NID_ext_key_usage, "serverAuth") &&
                    add_extension(cert.get(), signer, NID_subject_alt_name, request.hosts)));
  if (!ok || X509_sign(cert.get(), issuer_key, EVP_sha256()) == 0) return nullptr;
  return cert;
}

bool write_pem(const std::string &path, std::initializer_list<X509 *> certs) {
  std::unique_ptr<FILE, Freer<fclose>> file(std::fopen(path.c_str(), "w"));
  if (!file) return false;
  for (X509 *cert : certs)
    if (PEM_write_X509(file.get(), cert) != 1) return false;
  return true;
}

bool write_key(const std::string &path, EVP_PKEY *key) {
  std::unique_ptr<FILE, Freer<fclose>> file(std::fopen(path.c_str(), "w"));
  return file && PEM_write_PrivateKey(file.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1;
}

Request leaf_request(CertificateKind kind) {
  Request leaf{.name = "localhost", .hosts = "DNS:localhost,IP:127.0.0.1,IP:::1"};
  if (kind == CertificateKind::expired) leaf.from = -10 * kDay, leaf.until = -kDay;
  if (kind == CertificateKind::not_yet_valid) leaf.from = 5 * kDay;
  if (kind == CertificateKind::wrong_host) leaf.hosts = "DNS:voice.example.org";
  return leaf;
}

bool write_all(CertificateKind kind, const Certificates &to) {
  const bool weak = kind == CertificateKind::weak;
  const Request authority{.name = "Local voice server CA", .authority = true};
  Key ca_key = make_key(false), key = make_key(weak);
  if (!ca_key || !key) return false;
  Cert ca = make_certificate(authority, ca_key.get(), nullptr, ca_key.get());
  if (!ca) return false;
  Cert leaf = kind == CertificateKind::self_signed
                  ? make_certificate(leaf_request(kind), key.get(), nullptr, key.get())
                  : make_certificate(leaf_request(kind), key.get(), ca.get(), ca_key.get());
  if (!leaf || !write_key(to.key_file(), key.get())) return false;
  if (kind == CertificateKind::unknown_ca) {
    Key other_key = make_key(false);
    Cert other = make_certificate(authority, other_key.get(), nullptr, other_key.get());
    return other && write_pem(to.ca_file(), {other.get()}) &&
           write_pem(to.chain_file(), {leaf.get(), ca.get()});
  }
  if (kind == CertificateKind::self_signed)
    return write_pem(to.ca_file(), {ca.get()}) && write_pem(to.chain_file(), {leaf.get()});
  return write_pem(to.ca_file(), {ca.get()}) && write_pem(to.chain_file(), {leaf.get(), ca.get()});
}

}  // namespace

std::optional<CertificateKind> certificate_kind(std::string_view name) {
  constexpr std::pair<std::string_view, CertificateKind> kNames[] = {
      {"good", CertificateKind::good},
      {"expired", CertificateKind::expired},
      {"not-yet-valid", CertificateKind::not_yet_valid},
      {"wrong-host", CertificateKind::wrong_host},
      {"self-signed", CertificateKind::self_signed},
      {"unknown-ca", CertificateKind::unknown_ca},
      {"weak", CertificateKind::weak},
  };
  for (const auto &[known, kind] : kNames)
    if (known == name) return kind;
  return std::nullopt;
}

std::optional<Certificates> Certificates::make(CertificateKind kind) {
  std::error_code error;
  std::string pattern =
      (std::filesystem::temp_directory_path(error) / "discord-voice-server-XXXXXX").string();
  if (error || mkdtemp(pattern.data()) == nullptr) return std::nullopt;
  Certificates made;
  made.directory_ = pattern;
  if (!write_all(kind, made)) return std::nullopt;
  return made;
}

Certificates::Certificates(Certificates &&other) noexcept
    : directory_(std::exchange(other.directory_, {})) {}

Certificates &Certificates::operator=(Certificates &&other) noexcept {
  std::swap(directory_, other.directory_);
  return *this;
}

Certificates::~Certificates() {
  std::error_code error;
  if (!directory_.empty()) std::filesystem::remove_all(directory_, error);
}

}  // namespace dv::server
