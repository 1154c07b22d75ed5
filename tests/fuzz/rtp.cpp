// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/wire/rtp.hpp"
#include "ext/wire/udp_control.hpp"
#include "tests/fuzz/require.hpp"

using namespace dv;

namespace {

bool inside(ByteView part, ByteView whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  const ByteView datagram(data, size);
  const DatagramKind kind = classify(datagram);
  if (const auto header = parse_rtp(datagram)) {
    FUZZ_REQUIRE(header->clear_size <= size);
    const ByteView plain = datagram.subspan(header->clear_size);
    if (const auto payload = rtp_payload(*header, plain)) FUZZ_REQUIRE(inside(*payload, plain));
  } else {
    // CSRCs and extension are looked at by the parser alone.
    FUZZ_REQUIRE(kind != DatagramKind::rtp || (datagram[0] & 0x1f) != 0);
  }
  FUZZ_REQUIRE(parse_rtcp(datagram).has_value() == (kind == DatagramKind::rtcp) ||
               size < kRtpFixedHeader);
  valid_rtcp_compound(datagram);
  decode_ping(datagram);
  decode_ping_reply(datagram);
  decode_discovery_request(datagram);
  decode_discovery_response(datagram);
  return 0;
}
