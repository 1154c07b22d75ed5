// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/core/pacing.hpp"

#include <algorithm>

namespace dv::voice {
namespace {

constexpr Time kBase = 1s;
constexpr Time kCap = 60s;
constexpr Time kHealthyAfter = 60s;
constexpr Time kServicePerStep = 5s;
constexpr Time kQuickPhase = 60s;
constexpr Time kQuickMin = 250ms;
constexpr Time kQuickSpread = 750ms;
constexpr Time kHour = std::chrono::hours(1);
constexpr Time kDay = std::chrono::hours(24);
constexpr std::uint32_t kMaxDoublings = 6;

Time share(Time whole, double part) {
  return Time(static_cast<Time::rep>(static_cast<double>(whole.count()) * part));
}

}  // namespace

void Backoff::count_service(Time now) {
  if (healthy_since_ == kNever) return;
  const Time served = now - healthy_since_;
  const auto steps = static_cast<std::uint32_t>(std::min<Time::rep>(served / kServicePerStep, 100));
  attempts_ = served >= kHealthyAfter ? 0 : attempts_ - std::min(attempts_, steps);
  healthy_since_ = kNever;
}

Time Backoff::after_failure(Time now) {
  count_service(now);
  outage_since_ = kNever;
  const Time ceiling = std::min(kCap, kBase * (1u << std::min(attempts_, kMaxDoublings)));
  attempts_++;
  return share(ceiling, random_());
}

Time Backoff::after_connect_failure(Time now) {
  count_service(now);
  if (outage_since_ == kNever) outage_since_ = now;
  if (now - outage_since_ < kQuickPhase) return kQuickMin + share(kQuickSpread, random_());
  const Time since = outage_since_;
  const Time delay = std::max(kQuickMin, after_failure(now));
  outage_since_ = since;
  return delay;
}

void Backoff::on_healthy(Time now) {
  if (healthy_since_ == kNever) healthy_since_ = now;
  outage_since_ = kNever;
}

void Backoff::on_unhealthy(Time now) { count_service(now); }

Time IdentifyBudget::earliest(Time now, bool reconnect) const {
  if (spent_.empty()) return now;
  Time at = std::max(now, spent_.back() + spacing_);
  if (reconnect && spent_.size() >= kPerHour)
    at = std::max(at, spent_[spent_.size() - kPerHour] + kHour);
  if (spent_.size() >= kPerDay) at = std::max(at, spent_[spent_.size() - kPerDay] + kDay);
  return at;
}

void IdentifyBudget::spend(Time now) {
  spent_.push_back(now);
  while (spent_.size() > kPerDay) spent_.pop_front();
}

void SendBudget::note(Time now) {
  sent_.push_back(now);
  while (sent_.size() > kPerMinute) sent_.pop_front();
}

Time SendBudget::earliest(Time now) const {
  if (sent_.size() < kPerMinute) return now;
  return std::max(now, sent_[sent_.size() - kPerMinute] + 60s);
}

}  // namespace dv::voice
