// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/net/connect_failure.hpp"

#include <libsoup/soup.h>

#include <string>

namespace dv::voice {
namespace {

struct Flaw {
  GTlsCertificateFlags flag;
  const char *text;
};

// The most telling one first: a self-signed certificate has an unknown authority as well.
constexpr Flaw kFlaws[] = {
    {G_TLS_CERTIFICATE_REVOKED, "the certificate has been revoked"},
    {G_TLS_CERTIFICATE_EXPIRED, "the certificate has expired"},
    {G_TLS_CERTIFICATE_NOT_ACTIVATED, "the certificate is not valid yet"},
    {G_TLS_CERTIFICATE_BAD_IDENTITY, "the certificate is for another host name"},
    {G_TLS_CERTIFICATE_INSECURE, "the certificate's algorithm is too weak"},
    {G_TLS_CERTIFICATE_UNKNOWN_CA, "the certificate is not signed by a trusted authority"},
    {G_TLS_CERTIFICATE_GENERIC_ERROR,
     "the certificate does not verify against any trusted authority"},
};

std::string certificate_text(SoupMessage *message, const GError *error) {
  const GTlsCertificateFlags flags = message != nullptr
                                         ? soup_message_get_tls_peer_certificate_errors(message)
                                         : static_cast<GTlsCertificateFlags>(0);
  std::string text;
  for (const Flaw &flaw : kFlaws) {
    if ((flags & flaw.flag) == 0) continue;
    if (!text.empty()) text += ", ";
    text += flaw.text;
  }
  return text.empty() ? error->message : text;
}

bool is_refused(const GError *error) {
  if (error->domain != G_IO_ERROR) return false;
  switch (error->code) {
    case G_IO_ERROR_CONNECTION_REFUSED:
    case G_IO_ERROR_HOST_UNREACHABLE:
    case G_IO_ERROR_NETWORK_UNREACHABLE:
    case G_IO_ERROR_CONNECTION_CLOSED:
    case G_IO_ERROR_HOST_NOT_FOUND:
      return true;
    default:
      return false;
  }
}

}  // namespace

ConnectFailure classify_failure(const GError *error, SoupMessage *message, bool timed_out) {
  using Kind = ConnectFailureKind;
  if (timed_out || g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)) {
    return {Kind::timeout, 0, "no answer in time"};
  }
  if (error == nullptr) return {Kind::other, 0, "no connection"};
  if (error->domain == G_RESOLVER_ERROR) return {Kind::dns, 0, error->message};
  if (is_refused(error)) return {Kind::refused, 0, error->message};
  if (error->domain == G_TLS_ERROR) return {Kind::tls, 0, certificate_text(message, error)};
  if (error->domain == SOUP_WEBSOCKET_ERROR && message != nullptr) {
    const int status = static_cast<int>(soup_message_get_status(message));
    return {Kind::http_status, status, error->message};
  }
  return {Kind::other, 0, error->message};
}

}  // namespace dv::voice
