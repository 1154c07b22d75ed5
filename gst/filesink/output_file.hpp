// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ext/wire/bytes.hpp"

namespace dv {

/** What went wrong with a file: `code` is an errno, `doing` a word like "open" or "write". */
struct FileError {
  int code = 0;
  std::string doing, path;
  /** For people: what, where, and what to do. */
  std::string text() const;
  std::string advice() const;
};

/**
 * A file that is called `NAME.part` until it is complete. New, readable by its owner alone (0600),
 * never an existing file or a link. Used by one thread at a time.
 */
class OutputFile {
 public:
  struct Options {
    bool overwrite = false;  ///< replace a file of that name when complete
    bool sync = false;       ///< data and name survive a power cut once `finish` has returned
    std::size_t buffer = 0;  ///< bytes that may wait in the process; a kill loses them
  };

  OutputFile() = default;
  ~OutputFile();
  OutputFile(const OutputFile &) = delete;
  OutputFile &operator=(const OutputFile &) = delete;

  /** Creates `path.part`; when the name is taken, the one with -2, -3 … before the extension. */
  std::optional<FileError> create(const std::string &path, const Options &options);
  /** Reads as much as is there; how much that was. */
  std::size_t read_at(std::uint64_t offset, Bytes &into) const;
  /** Writes all of it at `offset`; what lies between the end and the offset reads as zero. */
  std::optional<FileError> write_at(std::uint64_t offset, ByteView bytes);
  /** The same, but what does not fit whole is taken back: checkers complain about a torn page. */
  std::optional<FileError> write_whole(std::uint64_t offset, ByteView bytes);
  /** Makes the file longer without writing: the new part reads as zero and takes no space. */
  std::optional<FileError> extend_to(std::uint64_t size);
  /** Cuts off an incomplete tail; needs no space. */
  void truncate_to(std::uint64_t size);
  /** Gives the file its name and closes it. */
  std::optional<FileError> finish();

  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  const std::string &path() const { return path_; }
  std::string part_path() const { return path_ + ".part"; }
  /** With what waits in the process. */
  std::uint64_t size() const { return size_ + waiting_.size(); }

 private:
  std::optional<FileError> flush();
  std::optional<FileError> store(std::uint64_t offset, ByteView bytes);
  std::optional<FileError> rename_into_place();
  FileError failure(const char *doing, int code) const;

  Options options_;
  std::string wanted_, path_;
  unsigned number_ = 1;
  int fd_ = -1;
  std::uint64_t size_ = 0;
  Bytes waiting_;                    ///< belongs behind the end
  std::vector<std::uint64_t> ends_;  ///< of the writes in it: a torn one is taken back
};

/** Nothing if files can be created in `directory`, else why not. */
std::optional<FileError> directory_problem(const std::string &directory);

/**
 * Gives a file that was left as `path.part` its name. False if there is none, if it is no regular
 * file, or if the name is taken.
 */
bool complete_left_file(const std::string &path);

/** Makes the file names of `directory` survive a power cut. */
void sync_directory(const std::string &directory);

}  // namespace dv
