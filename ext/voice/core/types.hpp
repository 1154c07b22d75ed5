// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "ext/crypto/secret.hpp"
#include "ext/wire/ids.hpp"

namespace dv::voice {

/** Uniform in [0, 1). Injected, so that a test decides what chance does. */
using Random = std::function<double()>;

/** How an attempt to open a WebSocket failed before it was open. */
enum class ConnectFailureKind : std::uint8_t { dns, refused, tls, timeout, http_status, other };

struct ConnectFailure {
  ConnectFailureKind kind = ConnectFailureKind::other;
  int http_status = 0;  ///< Only for `http_status`.
  std::string text;     ///< For people, from the library that failed; never holds a secret.
};

/** Kebab-case: "dns", "http-status", ... */
const char *name_of(ConnectFailureKind kind);
/** One sentence part such as "the host name could not be resolved (…)". */
std::string describe(const ConnectFailure &failure);

/** No code means that the connection was cut without a close frame. */
using CloseCode = std::optional<std::uint16_t>;

/** Close codes this side uses. 1000 ends the session for good, any other leaves it resumable. */
inline constexpr std::uint16_t kCloseForGood = 1000;
inline constexpr std::uint16_t kCloseToResume = 4000;

/** Who somebody is, from the main gateway. The name is hostile text of any length up to 256 bytes.
 */
struct Member {
  UserId user = 0;
  std::string name;  ///< nick, else global name, else user name; empty when none is known
  bool bot = false;
};

/** No guild has a call with more; what names more is not kept. */
inline constexpr std::size_t kMaxUsers = 25'000;

}  // namespace dv::voice
