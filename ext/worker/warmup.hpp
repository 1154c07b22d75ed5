// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

namespace dv::worker {

/** Runs packets through a whole chain once, so that nothing has to be loaded after confinement. */
bool warm_up();

}  // namespace dv::worker
