// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/server/core.hpp"
#include "tests/server/voice_client.hpp"

namespace dv::server {

namespace {

/** After these, and everything below 4000, a session can be resumed. */
bool keeps_session(int code) {
  return code < 4000 || code == 4013 || code == 4015 || code == 4001 || code == 4002 ||
         code == 4020;
}

}  // namespace

template <typename F>
void VoiceGateway::each(UserId user, F f) {
  std::vector<Client *> chosen;
  for (auto &[connection, client] : clients_)
    if (user == 0 || (client->session != nullptr && client->session->user == user))
      chosen.push_back(client.get());
  for (Client *client : chosen) f(*client);
}

void VoiceGateway::end(GuildId guild, UserId user, int code) {
  VoiceSession *session = find(guild, user);
  if (session == nullptr) return;
  const auto connection = session->connection;
  session->connection = nullptr;
  remove(session);
  if (code != 0 && connection) connection->close(code, "session ended");
}

void VoiceGateway::close_all(UserId user, int code) {
  each(user, [&](Client &client) {
    if (!keeps_session(code) && client.session != nullptr)
      end(client.session->guild, client.session->user, code);
    else
      client.connection->close(code, "by command");
  });
}

void VoiceGateway::cut_all(UserId user) {
  each(user, [](Client &client) { client.connection->cut(); });
}

std::function<void()> VoiceGateway::freeze_all(UserId user) {
  std::vector<std::weak_ptr<WsConnection>> frozen;
  each(user, [&](Client &client) {
    client.connection->freeze();
    frozen.push_back(client.connection);
  });
  return [frozen] {
    for (const auto &weak : frozen)
      if (auto connection = weak.lock()) connection->thaw();
  };
}

void VoiceGateway::send_text_all(UserId user, const std::string &text) {
  each(user, [&](Client &client) { client.connection->send_text(text); });
}

void VoiceGateway::send_binary_all(UserId user, std::uint8_t op, ByteView payload) {
  each(user, [&](Client &client) {
    if (client.session != nullptr) client.session->send_binary(op, payload);
  });
}

}  // namespace dv::server
