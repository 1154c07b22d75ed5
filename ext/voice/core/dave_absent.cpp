// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/core/dave_link.hpp"

namespace dv::voice {

// Calls without end-to-end encryption only.
std::unique_ptr<DaveLink> make_dave_link(dave::SessionConfig) { return nullptr; }

}  // namespace dv::voice
