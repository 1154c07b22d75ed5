// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>

#include "ext/crypto/dave/media_decryptor.hpp"
#include "ext/crypto/dave/media_encryptor.hpp"
#include "tests/fuzz/require.hpp"

using namespace dv;
using namespace dv::dave;

namespace {

const Bytes kBase(16, 0x42);
// Nothing is sealed with it: the fuzzer finds the frames that a target makes for itself.
const Bytes kUnusedBase(16, 0x43);

void check_structure(ByteView frame) {
  const auto parsed = parse_frame(frame);
  if (!parsed) return;
  FUZZ_REQUIRE(parsed->media.size() + kMinSupplemental <= frame.size());
  FUZZ_REQUIRE(parsed->tag.size() == kFrameTagSize);
  std::uint64_t end = 0;
  ClearRangeReader ranges(parsed->ranges);
  while (const auto range = ranges.next()) {
    FUZZ_REQUIRE(range->offset >= end);
    end = range->offset + range->size;
    FUZZ_REQUIRE(end >= range->offset && end <= frame.size());
  }
  FUZZ_REQUIRE(parsed->refused == (end > parsed->media.size()));
}

/** The input as a payload, sealed with ranges taken from it, must come back. */
void check_round_trip(ByteView input) {
  std::vector<ClearRange> ranges;
  std::uint64_t at = 0;
  for (std::size_t i = 0; i + 1 < input.size() && ranges.size() < 20; i += 2) {
    const std::uint64_t offset = at + input[i] % 32, size = input[i + 1] % 32;
    if (offset + size > input.size()) break;
    ranges.push_back({offset, size});
    at = offset + size;
  }
  auto key = FrameKey::create(kBase);
  Bytes frame;
  FUZZ_REQUIRE(key->seal(input, 7, ranges, frame));
  const auto parsed = parse_frame(frame);
  FUZZ_REQUIRE(parsed && !parsed->refused);
  Bytes room(frame.size());
  const auto size = key->open(*parsed, room);
  FUZZ_REQUIRE(size == input.size());
  FUZZ_REQUIRE(std::equal(input.begin(), input.end(), room.begin()));
}

/** A good frame, damaged where the input says so, must not open. */
void check_damage(ByteView input) {
  FrameEncryptor sender;
  sender.set_key(kBase);
  FrameDecryptor receiver;
  receiver.add_ratchet(kBase, 0s);
  Bytes good;
  FUZZ_REQUIRE(sender.seal(Bytes(40, 0x78), good));
  Bytes bad = good;
  for (std::size_t i = 0; i + 1 < input.size() && i < 8; i += 2)
    bad[input[i] % bad.size()] ^= input[i + 1];
  Bytes room(good.size());
  if (bad != good) {
    const auto result = receiver.open(bad, 1s, room);
    // The service may inject silence, and nothing else, into an encrypted call.
    FUZZ_REQUIRE(!result.delivered() || is_injected_silence(bad));
  }
  FUZZ_REQUIRE(receiver.open(good, 1s, room).verdict == FrameVerdict::opened);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  const ByteView input(data, size);
  check_structure(input);
  check_round_trip(input);
  check_damage(input);
  FrameDecryptor receiver;
  receiver.add_ratchet(kUnusedBase, 0s);
  Bytes room(size);
  FUZZ_REQUIRE(!receiver.open(input, 1s, room).delivered() || is_injected_silence(input));
  ByteView rest = input;
  while (!rest.empty() && take_uleb128(rest)) {
  }
  return 0;
}
