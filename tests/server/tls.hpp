// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dv::server {

/** `good`, or one of the certificates that a client has to refuse. */
enum class CertificateKind {
  good,
  expired,
  not_yet_valid,
  wrong_host,
  self_signed,
  unknown_ca,
  weak,
};

std::optional<CertificateKind> certificate_kind(std::string_view name);

/**
 * A certificate authority and a server certificate for `localhost`, 127.0.0.1 and ::1, made on the
 * spot in a directory of their own that goes away with the object.
 */
class Certificates {
 public:
  static std::optional<Certificates> make(CertificateKind kind);
  Certificates(Certificates &&other) noexcept;
  Certificates &operator=(Certificates &&other) noexcept;
  ~Certificates();

  const std::string &directory() const { return directory_; }
  /** What a client is given as `ca-file`. */
  std::string ca_file() const { return directory_ + "/ca.pem"; }
  std::string chain_file() const { return directory_ + "/server.pem"; }
  std::string key_file() const { return directory_ + "/server.key"; }

 private:
  Certificates() = default;

  std::string directory_;
};

}  // namespace dv::server
