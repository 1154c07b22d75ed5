// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

namespace dv {

/** One visitor for std::visit out of a lambda per alternative: `std::visit(Overload{f, g},
 * variant)`.
 */
template <class... F>
struct Overload : F... {
  using F::operator()...;
};
template <class... F>
Overload(F...) -> Overload<F...>;

}  // namespace dv
