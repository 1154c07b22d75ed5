// SPDX-License-Identifier: LGPL-2.1-or-later
// Runs a fuzz target without libFuzzer: the seeds as they are, then mutations of them that are the
// same in every run. Arguments: -runs=N, and files or folders with seeds.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size);

namespace {

using Input = std::vector<std::uint8_t>;
constexpr std::size_t kMaxSize = 4096;

void load(const std::filesystem::path &path, std::vector<Input> &seeds) {
  if (std::filesystem::is_directory(path)) {
    std::vector<std::filesystem::path> inside(std::filesystem::directory_iterator(path), {});
    std::sort(inside.begin(), inside.end());
    for (const auto &entry : inside) load(entry, seeds);
    return;
  }
  std::ifstream file(path, std::ios::binary);
  seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

class Mutator {
 public:
  explicit Mutator(std::vector<Input> seeds) : seeds_(std::move(seeds)) {
    if (seeds_.empty()) seeds_.emplace_back();
  }

  const std::vector<Input> &seeds() const { return seeds_; }
  Input next() {
    Input input = seeds_[below(seeds_.size())];
    for (std::size_t n = 1 + below(8); n > 0; --n) mutate(input);
    if (input.size() > kMaxSize) input.resize(kMaxSize);
    return input;
  }

 private:
  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : random_() % limit; }
  std::uint8_t byte() {
    static constexpr std::uint8_t kEdges[] = {0, 1, 0x7f, 0x80, 0xf8, 0xfa, 0xfe, 0xff};
    return below(3) == 0 ? kEdges[below(std::size(kEdges))] : static_cast<std::uint8_t>(random_());
  }
  Input::iterator place(Input &input, std::size_t extra) {
    return input.begin() + static_cast<std::ptrdiff_t>(below(input.size() + extra));
  }

  void mutate(Input &input) {
    if (input.empty()) return input.push_back(byte());
    switch (below(7)) {
      case 0:
        *place(input, 0) ^= static_cast<std::uint8_t>(1 << below(8));
        break;
      case 1:
        *place(input, 0) = byte();
        break;
      case 2: {
        const Input more(1 + below(8), byte());
        input.insert(place(input, 1), more.begin(), more.end());
        break;
      }
      case 3: {
        const auto from = place(input, 0);
        const auto room = static_cast<std::size_t>(input.end() - from);
        input.erase(from,
                    from + static_cast<std::ptrdiff_t>(1 + below(std::min<std::size_t>(room, 8))));
        break;
      }
      case 4:
        input.resize(below(input.size()));
        break;
      case 5: {  // a piece of another seed
        const Input &other = seeds_[below(seeds_.size())];
        const std::size_t from = below(other.size());
        const std::size_t size = below(other.size() - from + 1);
        const Input piece(other.begin() + static_cast<std::ptrdiff_t>(from),
                          other.begin() + static_cast<std::ptrdiff_t>(from + size));
        input.insert(place(input, 1), piece.begin(), piece.end());
        break;
      }
      default: {  // a piece of itself again
        const Input copy = input;
        input.insert(place(input, 1), copy.begin(),
                     copy.begin() + static_cast<std::ptrdiff_t>(below(copy.size())));
        break;
      }
    }
  }

  std::vector<Input> seeds_;
  std::mt19937 random_{6464};
};

}  // namespace

int main(int argc, char **argv) {
  constexpr std::string_view kRuns = "-runs=";
  long runs = 10000;
  std::vector<Input> seeds;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument(argv[i]);
    if (argument.starts_with(kRuns))
      runs = std::atol(argv[i] + kRuns.size());
    else
      load(argv[i], seeds);
  }
  Mutator mutator(std::move(seeds));
  for (const Input &seed : mutator.seeds()) LLVMFuzzerTestOneInput(seed.data(), seed.size());
  for (long i = 0; i < runs; ++i) {
    const Input input = mutator.next();
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::printf("%zu seeds, %ld mutations\n", mutator.seeds().size(), runs);
  return 0;
}
