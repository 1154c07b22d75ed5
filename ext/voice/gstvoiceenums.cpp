// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/gstvoiceenums.hpp"

namespace dv::voice {

GType encryption_mode_type() {
  static const GEnumValue values[] = {{static_cast<int>(EncryptionMode::automatic),
                                       "Whichever is fastest here (AES-256-GCM)", "auto"},
                                      {static_cast<int>(EncryptionMode::aes256_gcm),
                                       "Prefer aead_aes256_gcm_rtpsize", "aes256-gcm"},
                                      {static_cast<int>(EncryptionMode::xchacha20),
                                       "Prefer aead_xchacha20_poly1305_rtpsize", "xchacha20"},
                                      {0, nullptr, nullptr}};
  static const GType type = g_enum_register_static("DvDiscordEncryptionMode", values);
  return type;
}

const char *mode_nick(TransportMode mode) {
  return mode == TransportMode::xchacha20_poly1305_rtpsize ? "xchacha20" : "aes256-gcm";
}

}  // namespace dv::voice
