// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/core/voice_messages.hpp"

#include "ext/voice/core/json.hpp"
#include "ext/voice/core/text_writer.hpp"

namespace dv::voice::voice_msg {
namespace {

constexpr std::size_t kMaxStreams = 64;
constexpr std::size_t kMaxModes = 64;
constexpr std::size_t kBinaryHeader = 3;

std::optional<Ssrc> read_ssrc(const Json &d, const char *key) {
  const auto value = read_uint(find(d, key), UINT32_MAX);
  return value ? std::optional(static_cast<Ssrc>(*value)) : std::nullopt;
}

std::optional<std::uint16_t> read_u16(const Json &d, const char *key) {
  const auto value = read_uint(find(d, key), UINT16_MAX);
  return value ? std::optional(static_cast<std::uint16_t>(*value)) : std::nullopt;
}

std::optional<UserId> read_user(const Json &d) {
  const auto user = read_id(d, "user_id");
  return user && *user != 0 ? user : std::nullopt;
}

std::optional<Body> read_ready(const Json &d) {
  const auto ssrc = read_ssrc(d, "ssrc");
  const auto ip = read_text(find(d, "ip"), 64);
  const auto port = read_u16(d, "port");
  const Json *modes = find(d, "modes");
  if (!ssrc || !ip || !port || *port == 0 || modes == nullptr || !modes->is_array()) {
    return std::nullopt;
  }
  Ready ready{*ssrc, std::string(*ip), *port, {}};
  std::size_t looked_at = 0;
  for (const Json &item : *modes) {
    if (++looked_at > kMaxModes) break;
    const auto name = read_text(&item, 64);
    const auto mode = name ? mode_from_name(*name) : std::nullopt;
    if (mode) ready.modes.push_back(*mode);
  }
  return ready;
}

std::optional<Body> read_session_description(Json &d) {
  const auto name = read_text(find(d, "mode"), 64);
  const auto mode = name ? mode_from_name(*name) : std::nullopt;
  auto key = take_key(find(d, "secret_key"));
  if (!mode || !key) return std::nullopt;
  const Json *version = find(d, "dave_protocol_version");
  const auto dave = is_null(version) ? std::uint16_t{0} : read_u16(d, "dave_protocol_version");
  if (!dave) return std::nullopt;
  return SessionDescription{*mode, std::move(*key), *dave};
}

std::optional<Body> read_speaking(const Json &d) {
  const auto user = read_user(d);
  const auto ssrc = read_ssrc(d, "ssrc");
  if (!user || !ssrc) return std::nullopt;
  const auto flags = read_uint(find(d, "speaking"), UINT32_MAX);
  return Speaking{*user, *ssrc, static_cast<std::uint32_t>(flags.value_or(0))};
}

std::optional<Body> read_video(const Json &d) {
  const auto user = read_user(d);
  if (!user) return std::nullopt;
  Video video{*user, read_ssrc(d, "audio_ssrc").value_or(0), {}, {}};
  const auto note = [](std::vector<Ssrc> &list, std::optional<Ssrc> ssrc) {
    if (ssrc && *ssrc != 0) list.push_back(*ssrc);
  };
  note(video.video, read_ssrc(d, "video_ssrc"));
  const Json *streams = find(d, "streams");
  if (streams == nullptr || !streams->is_array()) return video;
  for (const Json &stream : *streams) {
    if (video.video.size() >= kMaxStreams || video.rtx.size() >= kMaxStreams) break;
    note(video.video, read_ssrc(stream, "ssrc"));
    note(video.rtx, read_ssrc(stream, "rtx_ssrc"));
  }
  return video;
}

std::optional<Body> read_prepare_transition(const Json &d) {
  const auto version = read_u16(d, "protocol_version");
  const auto id = read_u16(d, "transition_id");
  if (!version || !id) return std::nullopt;
  return DavePrepareTransition{*version, *id};
}

std::optional<Body> read_execute_transition(const Json &d) {
  const auto id = read_u16(d, "transition_id");
  if (!id) return std::nullopt;
  return DaveExecuteTransition{*id};
}

std::optional<Body> read_prepare_epoch(const Json &d) {
  const auto version = read_u16(d, "protocol_version");
  const auto epoch = read_uint(find(d, "epoch"));
  if (!version || !epoch) return std::nullopt;
  return DavePrepareEpoch{*version, *epoch};
}

std::optional<Body> read_body(std::uint32_t op, Json &d) {
  switch (op) {
    case 2:
      return read_ready(d);
    case 3:
      return HeartbeatRequest{};
    case 4:
      return read_session_description(d);
    case 5:
      return read_speaking(d);
    case 6:
      return HeartbeatAck{};
    case 8: {
      const auto interval = read_milliseconds(find(d, "heartbeat_interval"));
      if (!interval) return std::nullopt;
      return Hello{*interval};
    }
    case 9:
      return Resumed{};
    case 11: {
      const Json *users = find(d, "user_ids");
      if (users == nullptr || !users->is_array()) return std::nullopt;
      return ClientsConnect{read_ids(users, kMaxUsers)};
    }
    case 12:
      return read_video(d);
    case 13: {
      const auto user = read_user(d);
      if (!user) return std::nullopt;
      return ClientDisconnect{*user};
    }
    case 21:
      return read_prepare_transition(d);
    case 22:
      return read_execute_transition(d);
    case 24:
      return read_prepare_epoch(d);
    default:
      return Other{op};
  }
}

void write_credentials(TextWriter &out, const Credentials &credentials) {
  out.raw(R"("server_id":)").id(credentials.guild);
  out.raw(R"(,"session_id":)").text(credentials.session_id.text());
  out.raw(R"(,"token":)").text(credentials.token.text());
}

}  // namespace

std::optional<Message> parse(std::string_view text) {
  auto tree = parse_json(text, kVoiceLimits);
  if (!tree) return std::nullopt;
  const auto op = read_uint(find(*tree, "op"), 0xFFFF);
  if (!op) return std::nullopt;
  Message message;
  message.op = static_cast<std::uint32_t>(*op);
  message.seq = read_u16(*tree, "seq");
  Json none;
  Json *d = find(*tree, "d");
  message.body = read_body(message.op, d != nullptr ? *d : none);
  return message;
}

std::optional<BinaryMessage> parse_binary(ByteView frame) {
  if (frame.size() < kBinaryHeader || frame.size() > kMaxBinary) return std::nullopt;
  return BinaryMessage{load_be16(frame.data()), frame[2], frame.subspan(kBinaryHeader)};
}

const char *mode_name(TransportMode mode) {
  return mode == TransportMode::aes256_gcm_rtpsize ? "aead_aes256_gcm_rtpsize"
                                                   : "aead_xchacha20_poly1305_rtpsize";
}

std::optional<TransportMode> mode_from_name(std::string_view name) {
  for (const auto mode :
       {TransportMode::aes256_gcm_rtpsize, TransportMode::xchacha20_poly1305_rtpsize}) {
    if (name == mode_name(mode)) return mode;
  }
  return std::nullopt;
}

Secret identify(const Credentials &credentials, std::uint16_t max_dave_version) {
  TextWriter out;
  out.raw(R"({"op":0,"d":{)");
  write_credentials(out, credentials);
  out.raw(R"(,"user_id":)").id(credentials.user);
  out.raw(R"(,"max_dave_protocol_version":)").number(max_dave_version).raw("}}");
  return out.secret();
}

Secret resume(const Credentials &credentials, SeqAck seq_ack) {
  TextWriter out;
  out.raw(R"({"op":7,"d":{)");
  write_credentials(out, credentials);
  out.raw(R"(,"seq_ack":)").signed_number(seq_ack).raw("}}");
  return out.secret();
}

Secret heartbeat(std::uint64_t milliseconds, SeqAck seq_ack) {
  TextWriter out(128);
  out.raw(R"({"op":3,"d":{"t":)").number(milliseconds);
  return out.raw(R"(,"seq_ack":)").signed_number(seq_ack).raw("}}").secret();
}

Secret select_protocol(std::string_view address, std::uint16_t port, TransportMode mode) {
  TextWriter out(512);
  out.raw(R"({"op":1,"d":{"protocol":"udp","data":{"address":)").text(address);
  out.raw(R"(,"port":)").number(port).raw(R"(,"mode":)").text(mode_name(mode));
  return out.raw("}}}").secret();
}

Secret speaking(std::uint32_t flags, Ssrc ssrc) {
  TextWriter out(128);
  out.raw(R"({"op":5,"d":{"speaking":)").number(flags);
  return out.raw(R"(,"delay":0,"ssrc":)").number(ssrc).raw("}}").secret();
}

Secret transition(std::uint8_t op, std::uint16_t id) {
  TextWriter out(64);
  out.raw(R"({"op":)").number(op).raw(R"(,"d":{"transition_id":)").number(id);
  return out.raw("}}").secret();
}

}  // namespace dv::voice::voice_msg
