// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>
#include <cstdlib>

#include "ext/decrypt/pool/key_codec.hpp"

// Control messages, both ways: what is accepted must be encoded to the same bytes again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  using namespace dv;
  const ByteView record(data, size);
  if (const auto received = worker::decode_to_worker(record)) {
    key_update_from(received->message);
    const auto *hello = std::get_if<worker::Hello>(&received->message);
    if (hello == nullptr || hello->version == worker::kProtocolVersion) {
      const Bytes again = worker::encode(received->number, received->message);
      if (!std::equal(again.begin(), again.end(), record.begin(), record.end())) std::abort();
    }
  }
  if (const auto reply = worker::decode_hello_reply(record)) {
    if (reply->text.size() > worker::kMaxText) std::abort();
  }
  return 0;
}
