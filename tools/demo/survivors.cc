#include "tools/demo/survivors.h"

#include <algorithm>
#include <stdexcept>

#include "engine/base/error_detail.h"
#include "engine/reader/store_reader.h"
#include "engine/store/store.h"

namespace cairn::demo {

namespace {

uint64_t unsigned_of(const engine::Document& document, const char* key) {
  const int member = document.find(key);
  const int64_t* value = member < 0 ? nullptr : document.member(member).value.get<int64_t>();
  return value == nullptr || *value < 0 ? 0 : static_cast<uint64_t>(*value);
}

double number_of(const engine::Document& document, const char* key) {
  const int member = document.find(key);
  const double* value = member < 0 ? nullptr : document.member(member).value.get<double>();
  return value == nullptr ? 0 : *value;
}

std::string text_of(const engine::Document& document, const char* key) {
  const int member = document.find(key);
  const std::string* value = member < 0 ? nullptr : document.member(member).value.get<std::string>();
  return value == nullptr ? "" : *value;
}

void expect(std::vector<std::string>& wrong, bool holds, const std::string& what) {
  if (!holds) {
    wrong.push_back(what);
  }
}

}  // namespace

Survivors read_survivors(const std::string& store) {
  engine::StoreReader::Options options;
  options.directory = store;
  auto reader = engine::StoreReader::open(std::move(options));
  Survivors all;
  Status status = reader.status();
  if (reader.ok()) {
    status = (*reader)->each([&all](const engine::RunView& run) {
      Survivor s;
      s.status = engine::status_name(run.record.status);
      s.sequence = run.record.sequence;
      s.files = unsigned_of(run.record.document, "files");
      s.bytes = unsigned_of(run.record.document, "bytes");
      s.progress = number_of(run.record.document, "progress");
      s.checksum = text_of(run.record.document, "checksum");
      all.emplace(run.record.id, std::move(s));
      return true;
    });
  }
  if (!status.ok()) {
    throw std::runtime_error("the store cannot be read: " + engine::error_detail().message);
  }
  return all;
}

Comparison compare_after_kill(const std::vector<SubTree>& trees, const Page& page, const Survivors& survivors) {
  Comparison c;
  for (size_t i = 0; i < trees.size(); ++i) {
    const RunLine& line = page.runs[i];
    const uint64_t acknowledged = line.acknowledged;
    const auto at = survivors.find(trees[i].run_id);
    const Survivor s = at == survivors.end() ? Survivor() : at->second;
    c.runs += acknowledged != 0 ? 1 : 0;
    c.acknowledged += acknowledged;
    c.in_flight += s.sequence == acknowledged + 1 ? 1 : 0;
    const std::string run = trees[i].run_id + ": ";
    expect(c.wrong, s.sequence >= acknowledged,
           run + "sequence " + std::to_string(acknowledged) + " was acknowledged, " + std::to_string(s.sequence) +
               " survived");
    // One thread works on a run: beyond what returned there is one call at most.
    expect(c.wrong, s.sequence <= acknowledged + 1,
           run + "sequence " + std::to_string(s.sequence) + " is there, though " + std::to_string(acknowledged) +
               " was the last to return");
    expect(c.wrong, s.files >= line.files,
           run + std::to_string(line.files) + " files were acknowledged, " + std::to_string(s.files) + " survived");
    expect(c.wrong, s.bytes >= line.bytes,
           run + std::to_string(line.bytes) + " bytes were acknowledged, " + std::to_string(s.bytes) + " survived");
  }
  return c;
}

std::vector<std::string> compare_at_end(const std::vector<SubTree>& trees, const std::string& directory,
                                        const Page& page, const std::vector<uint64_t>& acknowledged,
                                        const Survivors& survivors) {
  std::vector<std::string> wrong;
  for (size_t i = 0; i < trees.size(); ++i) {
    const SubTree& tree = trees[i];
    const std::string run = tree.run_id + ": ";
    expect(wrong, page.runs[i].found >= acknowledged[i],
           run + "sequence " + std::to_string(acknowledged[i]) + " was acknowledged, the second life found " +
               std::to_string(page.runs[i].found));
    const auto at = survivors.find(tree.run_id);
    if (at == survivors.end()) {
      wrong.push_back(run + "is not in the store");
      continue;
    }
    uint64_t checksum = 0;
    uint64_t bytes = 0;
    for (const TreeFile& file : tree.files) {
      const uint64_t digest =
          checksum_file(directory + "/" + file.path, [&bytes](size_t block_bytes) { bytes += block_bytes; });
      checksum = continue_checksum(checksum, file.path, digest);
    }
    const Survivor& s = at->second;
    expect(wrong, s.status == "COMPLETED", run + "is " + s.status);
    expect(wrong, s.checksum == hex_text(checksum),
           run + "checksum " + s.checksum + ", an independent pass gives " + hex_text(checksum));
    expect(wrong, s.files == tree.files.size(),
           run + std::to_string(s.files) + " files, there are " + std::to_string(tree.files.size()));
    expect(wrong, s.bytes == bytes, run + std::to_string(s.bytes) + " bytes, there are " + std::to_string(bytes));
    expect(wrong, s.progress == 1.0, run + "progress is not 1");
  }
  expect(wrong, survivors.size() == trees.size(),
         std::to_string(survivors.size()) + " runs in the store, " + std::to_string(trees.size()) + " sub-trees");
  return wrong;
}

}  // namespace cairn::demo
