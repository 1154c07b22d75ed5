// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "ext/crypto/dave/session.hpp"

namespace dv::voice {

/** What a voice connection needs of `dave::Session`; a test puts its own in its place. */
class DaveLink {
 public:
  virtual ~DaveLink() = default;
  virtual dave::Actions session_description(std::uint16_t version) = 0;
  virtual dave::Actions clients_connect(const std::vector<UserId> &users) = 0;
  virtual dave::Actions client_disconnect(UserId user) = 0;
  virtual dave::Actions prepare_transition(std::uint16_t id, std::uint16_t version) = 0;
  virtual dave::Actions execute_transition(std::uint16_t id) = 0;
  virtual dave::Actions prepare_epoch(std::uint16_t version, std::uint64_t epoch) = 0;
  virtual dave::Actions binary(std::uint8_t op, ByteView payload) = 0;
  virtual dave::Actions media_broken() = 0;
};

using DaveFactory = std::function<std::unique_ptr<DaveLink>(dave::SessionConfig)>;

/** The real one. */
std::unique_ptr<DaveLink> make_dave_link(dave::SessionConfig config);

}  // namespace dv::voice
