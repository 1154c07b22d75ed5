// SPDX-License-Identifier: LGPL-2.1-or-later
// A part of the service is away for a while, and comes back by itself.
#include <nlohmann/json.hpp>

#include "tests/server/control.hpp"
#include "tests/server/core.hpp"
#include "tests/server/json_util.hpp"

namespace dv::server {

using nlohmann::json;

namespace {

/** After `seconds` of the command things are `mended`, and everybody is told when that was. */
template <typename F>
json for_a_while(Core &core, const json &c, double fallback, F mended) {
  const auto length =
      std::chrono::duration_cast<Time>(std::chrono::duration<double>(c.value("seconds", fallback)));
  core.loop.after(length, [&core, mended, what = text_of(c, "cmd")] {
    mended();
    core.events.emit("service-back", {{"what", what}});
  });
  return command_done();
}

json freeze_main(Core &core, const json &c) {
  return for_a_while(core, c, 30, core.main.freeze_all(id_of(c, "user")));
}

json freeze_voice(Core &core, const json &c) {
  return for_a_while(core, c, 30, core.voice.freeze_all(id_of(c, "user")));
}

WsServer &chosen_server(Core &core, const json &c) {
  return c.value("what", "voice") == "main" ? core.main.server() : *core.voice.current()->server;
}

json refuse(Core &core, const json &c) {
  WsServer &server = chosen_server(core, c);
  server.stop_listening();
  return for_a_while(core, c, 5, [&server] { server.resume_listening(); });
}

/** `certificate`: one that must be refused; without it the answer is no TLS at all. */
json break_tls(Core &core, const json &c) {
  WsServer &server = chosen_server(core, c);
  if (!c.contains("certificate")) {
    if (!server.talk_nonsense()) return command_failed("can not listen");
    return for_a_while(core, c, 5, [&server] { server.resume_listening(); });
  }
  const auto kind = certificate_kind(text_of(c, "certificate"));
  const auto bad = kind ? Certificates::make(*kind) : std::nullopt;
  if (!bad || !server.use_certificate(*bad)) return command_failed("no such certificate");
  server.stop_listening();
  if (!server.resume_listening()) return command_failed("can not listen");
  return for_a_while(core, c, 5, [&core, &server] {
    server.use_certificate(core.certificates);
    server.stop_listening();
    server.resume_listening();
  });
}

json silence_udp(Core &core, const json &c) {
  core.options.udp = false;
  return for_a_while(core, c, 5, [&core] { core.options.udp = true; });
}

/** The NAT forgets: what the client sends next comes from another address. */
json rebind_nat(Core &core, const json &) {
  Nat *nat = core.voice.current()->nat.get();
  if (nat == nullptr) return command_failed("needs the option nat");
  nat->rebind();
  return command_done();
}

}  // namespace

void add_outage_commands(Commands &commands) {
  commands["freeze-main"] = freeze_main;
  commands["freeze-voice"] = freeze_voice;
  commands["refuse"] = refuse;
  commands["break-tls"] = break_tls;
  commands["silence-udp"] = silence_udp;
  commands["nat-rebind"] = rebind_nat;
}

}  // namespace dv::server
