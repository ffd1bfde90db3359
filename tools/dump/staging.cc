#include "engine/staging/staging.h"

#include <cstdio>

#include "engine/base/error_detail.h"
#include "tools/dump/dump.h"
#include "tools/output/terminal_text.h"

namespace cairn::tools {

namespace {

using engine::Object;
using engine::SlotView;
using engine::Value;

// The names of the size classes are what a buffer was laid out for.
constexpr const char* kClassNames[] = {"256 B", "1 KiB", "4 KiB", "16 KiB"};

const char* slot_state_name(uint32_t state) {
  return state == 0 ? "free" : state == 1 ? "taken" : state == 2 ? "sealing" : "unknown";
}

const char* buffer_state_name(const SlotView::Buffer& b) { return b.valid ? "valid" : b.empty ? "empty" : "invalid"; }

void print_slot(const Globals& globals, const SlotView& slot) {
  const char* size_class = kClassNames[slot.size_class];
  if (!globals.json) {
    std::printf("  %s:%llu  %s  %s  %s (created at LSN %llu)\n", slot.file.c_str(),
                static_cast<unsigned long long>(slot.offset), size_class, slot_state_name(slot.state),
                printable(slot.run_id).c_str(), static_cast<unsigned long long>(slot.created_lsn));
    for (const SlotView::Buffer& b : slot.buffers) {
      std::printf("      %s%s%s\n", buffer_state_name(b), b.valid ? "  " : "",
                  b.valid ? diff_text(b.diff).c_str() : "");
    }
    return;
  }
  Object o;
  o.push_back({"kind", Value("slot")});
  o.push_back({"file", Value(slot.file)});
  o.push_back({"offset", Value(slot.offset)});
  o.push_back({"class", Value(size_class)});
  o.push_back({"state", Value(slot_state_name(slot.state))});
  o.push_back({"id", Value(slot.run_id)});
  o.push_back({"created_lsn", Value(slot.created_lsn)});
  engine::Array buffers;
  for (const SlotView::Buffer& b : slot.buffers) {
    Object buffer;
    buffer.push_back({"state", Value(buffer_state_name(b))});
    if (b.valid) {
      buffer.push_back({"diff", Value(diff_json(b.diff))});
    }
    buffers.emplace_back(std::move(buffer));
  }
  o.push_back({"buffers", Value(std::move(buffers))});
  print_json(std::move(o));
}

}  // namespace

Status dump_staging(const Globals& globals, engine::StoreReader& reader) {
  if (!globals.json) {
    std::printf("staging\n");
  }
  engine::StagingScan scan;
  const auto print = [&](const SlotView& slot) {
    // A free slot keeps the bytes of its last life; they matter to nobody.
    if (slot.state != 0 || slot.buffers[0].valid || slot.buffers[1].valid) {
      print_slot(globals, slot);
    }
  };
  auto places = reader.store().staging_places();
  Status s = places.status();
  if (places.ok()) {
    for (const engine::StagingPlace& place : *places) {
      if (!place.directory.empty() && !globals.json) {
        std::printf("  in %s\n", place.directory.c_str());
      }
      if (const Status visited = engine::visit_slots(place, reader.store().staging_identity(), print, scan); s.ok()) {
        s = visited;
      }
    }
  }
  if (!globals.json) {
    std::printf("  %s", counted(scan.files, "file").c_str());
    if (scan.ignored_files != 0) {
      std::printf(", %llu of them ignored: of another boot or store, superseded, or damaged",
                  static_cast<unsigned long long>(scan.ignored_files));
    }
    std::printf("\n");
  } else {
    Object o;
    o.push_back({"kind", Value("staging")});
    o.push_back({"files", Value(scan.files)});
    o.push_back({"ignored_files", Value(scan.ignored_files)});
    print_json(std::move(o));
  }
  return s;
}

}  // namespace cairn::tools
