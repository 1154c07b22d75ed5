// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/types.h>

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "tests/unit/dave/call.hpp"

namespace dv::test {

/** The Node.js process in which the davey members live. Not thread-safe. */
class DaveyHost {
 public:
  /** Throws when it can not be started or does not answer within a minute. */
  DaveyHost(const std::string &script, const std::string &modules);
  ~DaveyHost();
  DaveyHost(const DaveyHost &) = delete;
  nlohmann::json ask(const nlohmann::json &request);
  std::string new_member_id() { return std::to_string(++members_); }

 private:
  std::string read_line();

  pid_t pid_ = -1;
  int to_ = -1;
  int from_ = -1;
  std::string pending_;
  unsigned members_ = 0;
};

/** A member by @snazzah/davey. */
class DaveyMember : public Participant {
 public:
  DaveyMember(DaveyHost &host, UserId self, ChannelId channel);
  ~DaveyMember() override;
  Answers session_description(std::uint16_t version) override;
  Answers clients_connect(const std::vector<UserId> &users) override;
  Answers client_disconnect(UserId user) override;
  Answers prepare_transition(std::uint16_t id, std::uint16_t version) override;
  Answers execute_transition(std::uint16_t id) override;
  Answers prepare_epoch(std::uint16_t version, std::uint64_t epoch) override;
  Answers binary(std::uint8_t op, ByteView payload) override;
  Bytes authenticator() override;
  Bytes seal(ByteView media) override;
  Bytes open(UserId from, ByteView frame) override;
  /** It merges the latest of its commits, whichever was announced. */
  bool robust() const override { return false; }
  std::string privacy_code();
  std::string fingerprint_with(UserId user);

 private:
  nlohmann::json ask(const char *what, nlohmann::json more);
  Answers answers(const char *what, nlohmann::json more);
  std::string value(const char *what, nlohmann::json more);

  DaveyHost &host_;
  std::string id_;
};

}  // namespace dv::test
