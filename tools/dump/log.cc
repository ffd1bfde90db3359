#include <cstdio>

#include "engine/base/error_detail.h"
#include "engine/json/json.h"
#include "engine/records/log_record.h"
#include "tools/dump/dump.h"
#include "tools/output/json_output.h"
#include "tools/output/terminal_text.h"
#include "tools/process/interrupt.h"

namespace cairn::tools {

namespace {

using engine::LogType;
using engine::Object;
using engine::Value;

const char* type_name(LogType type) {
  switch (type) {
    case LogType::kDiff:
      return "diff";
    case LogType::kStart:
      return "start";
    case LogType::kChange:
      return "change";
    case LogType::kErase:
      return "erase";
    case LogType::kTransaction:
      return "transaction";
    case LogType::kReceived:
      return "received";
    case LogType::kForget:
      return "forget";
    case LogType::kRebase:
      return "rebase";
    case LogType::kGroup:
      return "group";
    case LogType::kTexts:
      return "texts";
    case LogType::kNote:
      return "note";
  }
  return "unknown";
}

// What a record says: as text behind its type, and as members of its JSON object.
struct Meaning {
  std::string text;
  Object members;
  void add(const char* key, Value value) { members.push_back({key, std::move(value)}); }
};

void explain_diff(const engine::RunDiff& d, Meaning& m) {
  m.text += d.id + " " + diff_text(d.diff);
  m.add("id", d.id);
  m.add("created_lsn", d.created_lsn);
  m.add("diff", diff_json(d.diff));
}

void explain_change(const engine::RunChange& c, Meaning& m) {
  m.text = c.id + " " + std::to_string(c.sequence);
  m.add("id", c.id);
  m.add("created_lsn", c.created_lsn);
  m.add("sequence", c.sequence);
  if (c.status) {
    m.text += std::string(" status ") + engine::status_name(*c.status);
    m.add("status", engine::status_name(*c.status));
  }
  if (c.session) {
    m.text += " taken up by session " + session_text(*c.session);
    m.add("session", session_text(*c.session));
  }
  if (c.tags) {
    engine::Array tags(c.tags->begin(), c.tags->end());
    m.text += " tags " + printable(engine::to_json(Value(tags)));
    m.add("tags", std::move(tags));
  }
}

// False: the payload is not what the type promises.
bool explain(const wal::RecordView& record, Meaning& m) {
  switch (static_cast<LogType>(record.type)) {
    case LogType::kDiff: {
      auto d = engine::decode_run_diff(record.payload);
      if (d.ok()) {
        explain_diff(*d, m);
      }
      return d.ok();
    }
    case LogType::kStart: {
      auto r = engine::decode_run_record(record.payload);
      if (r.ok()) {
        const std::string json = r->document.to_json();
        m.text = r->id + (r->task.empty() ? "" : " task " + printable(r->task)) + " " + std::to_string(json.size()) +
                 " bytes of metadata";
        m.add("id", r->id);
        m.add("task", r->task);
        m.add("session", session_text(r->session));
        m.add("metadata", r->document.to_object());
      }
      return r.ok();
    }
    case LogType::kChange:
    case LogType::kErase:
    case LogType::kForget: {
      auto c = engine::decode_change(record.payload);
      if (c.ok()) {
        explain_change(*c, m);
      }
      return c.ok();
    }
    case LogType::kTransaction: {
      auto diffs = engine::decode_transaction(record.payload);
      if (!diffs.ok()) {
        return false;
      }
      engine::Array list;
      for (const engine::RunDiff& d : *diffs) {
        Meaning one;
        explain_diff(d, one);
        m.text += (list.empty() ? "" : " | ") + one.text;
        list.emplace_back(std::move(one.members));
      }
      m.add("parts", std::move(list));
      return true;
    }
    case LogType::kReceived: {
      auto received = engine::decode_received(record.payload);
      if (!received.ok()) {
        return false;
      }
      m.text = counted(received->parts.size(), "part") + ", " + counted(received->cursors.size(), "cursor");
      engine::Array list;
      for (const engine::ReceivedPart& part : received->parts) {
        Meaning one;
        wal::RecordView inner = record;
        inner.type = static_cast<uint8_t>(part.type);
        inner.payload = part.payload;
        explain(inner, one);
        m.text += " | " + one.text;
        list.emplace_back(std::move(one.members));
      }
      m.add("parts", std::move(list));
      return true;
    }
    case LogType::kRebase: {
      auto rebase = engine::decode_rebase(record.payload);
      if (rebase.ok()) {
        m.text = rebase->id + " " + std::to_string(rebase->base) + ".." + std::to_string(rebase->last);
        m.add("id", rebase->id);
        m.add("base_sequence", rebase->base);
        m.add("last_sequence", rebase->last);
        m.add("metadata", rebase->document.to_object());
      }
      return rebase.ok();
    }
    case LogType::kGroup: {
      auto parts = engine::split_group(record.payload);
      if (!parts.ok()) {
        return false;
      }
      engine::Array list;
      for (const engine::LogPart& part : *parts) {
        Meaning one;
        wal::RecordView inner = record;
        inner.type = static_cast<uint8_t>(part.type);
        inner.payload = part.payload;
        explain(inner, one);
        m.text += (list.empty() ? "" : " | ") + std::string(type_name(part.type)) + " " + one.text;
        list.emplace_back(std::move(one.members));
      }
      m.add("parts", std::move(list));
      return true;
    }
    case LogType::kTexts: {
      auto texts = engine::decode_run_texts(record.payload);
      if (texts.ok()) {
        m.text = texts->id + " " + counted(texts->texts.bytes(), "byte");
        m.add("id", texts->id);
        m.add("text_bytes", static_cast<uint64_t>(texts->texts.bytes()));
      }
      return texts.ok();
    }
    case LogType::kNote: {
      auto note = engine::decode_note(record.payload);
      if (note.ok()) {
        m.text = counted(note->value.size(), "byte");
      }
      return note.ok();
    }
  }
  return false;
}

void print_record(const Globals& globals, const wal::RecordView& record, bool in_order) {
  const char* type = type_name(static_cast<LogType>(record.type));
  Meaning m;
  const bool decoded = explain(record, m);
  if (!globals.json) {
    std::printf("  %8llu  %-11s  %s%s  (%s at %s:%llu)%s\n", static_cast<unsigned long long>(record.lsn), type,
                m.text.c_str(), decoded ? "" : "DOES NOT DECODE", counted(record.payload.size(), "byte").c_str(),
                std::string(record.segment).c_str(), static_cast<unsigned long long>(record.offset),
                in_order ? "" : "  BEHIND DAMAGE");
    return;
  }
  Object o;
  o.push_back({"kind", Value("record")});
  o.push_back({"lsn", Value(record.lsn)});
  o.push_back({"type", Value(type)});
  for (engine::Property& p : m.members) {
    o.push_back(std::move(p));
  }
  if (!decoded) {
    o.push_back({"decoded", Value(false)});
  }
  if (!in_order) {
    o.push_back({"behind_damage", Value(true)});
  }
  o.push_back({"bytes", Value(static_cast<uint64_t>(record.payload.size()))});
  o.push_back({"segment", Value(record.segment)});
  o.push_back({"offset", Value(record.offset)});
  print_json(std::move(o));
}

const char* state_name(wal::SegmentSummary::State state) {
  return state == wal::SegmentSummary::State::kActive  ? "active"
         : state == wal::SegmentSummary::State::kSpare ? "spare"
                                                       : "unreadable";
}

void print_segment(const Globals& globals, const wal::SegmentSummary& s) {
  const bool active = s.state == wal::SegmentSummary::State::kActive;
  if (!globals.json) {
    std::printf("  %s  %s  %s", s.name.c_str(), state_name(s.state), size_text(s.segment_bytes).c_str());
    std::printf(active ? "  LSN %llu to %llu\n" : "\n", static_cast<unsigned long long>(s.first_lsn),
                static_cast<unsigned long long>(s.last_lsn));
    return;
  }
  Object o;
  o.push_back({"kind", Value("segment")});
  o.push_back({"segment", Value(s.name)});
  o.push_back({"state", Value(state_name(s.state))});
  o.push_back({"bytes", Value(static_cast<uint64_t>(s.segment_bytes))});
  if (active) {
    o.push_back({"first_lsn", Value(s.first_lsn)});
    o.push_back({"last_lsn", Value(s.last_lsn)});
  }
  print_json(std::move(o));
}

void print_end(const Globals& globals, const wal::ScanReport& report) {
  const char* end = !report.damage.empty() ? "damaged"
                    : report.clean         ? "closed cleanly"
                    : report.torn_tail     ? "torn tail: the incomplete last write of a crash, or a writer at work"
                                           : "open: in use, or its owner was killed";
  if (!globals.json) {
    std::printf("  end: LSN %llu, %s; durable at least to LSN %llu\n", static_cast<unsigned long long>(report.last_lsn),
                end, static_cast<unsigned long long>(report.watermark));
  } else {
    Object o;
    o.push_back({"kind", Value("log")});
    o.push_back({"last_lsn", Value(report.last_lsn)});
    o.push_back({"watermark_lsn", Value(report.watermark)});
    o.push_back({"clean", Value(report.clean)});
    o.push_back({"torn_tail", Value(report.torn_tail)});
    o.push_back({"dropped_records", Value(report.dropped_records)});
    print_json(std::move(o));
  }
  for (const wal::Damage& d : report.damage) {
    if (!globals.json) {
      std::printf("  DAMAGE: %s\n", wal::describe(d).c_str());
      continue;
    }
    Object o;
    o.push_back({"kind", Value("damage")});
    add_damage(o, d);
    print_json(std::move(o));
  }
}

}  // namespace

Status dump_log(const Globals& globals, engine::StoreReader& reader, const LsnRange& range) {
  const wal::StoreId& store = reader.store().identity().store_id;
  // First what it looks like as a whole, then the records: behind damage there are some, too.
  wal::ScanReport report;
  const auto nothing = [](const wal::RecordView&) { return Status(); };
  const auto applied = reader.store().applied_lsn();
  if (const Status s = wal::judge(reader.store().files(), store, applied, wal::Extent::kWhole, nothing, report);
      !s.ok()) {
    return engine::fail(s, std::string("the log cannot be scanned: ") + s.what);
  }
  if (!globals.json) {
    std::printf("log\n");
  }
  for (const wal::SegmentSummary& segment : report.files) {
    print_segment(globals, segment);
  }
  const auto print = [&](const wal::RecordView& record, bool in_order) {
    if (record.lsn >= range.first && record.lsn <= range.last) {
      print_record(globals, record, in_order);
    }
    return interrupted() ? Status(Code::kTimeout, "interrupted") : Status();
  };
  Status s;
  if (report.damage.empty()) {
    report = {};
    s = wal::judge(
        reader.store().files(), store, applied, wal::Extent::kWhole,
        [&](const wal::RecordView& record) { return print(record, true); }, report);
  } else {
    s = wal::salvage(reader.store().files(), store, print);
  }
  print_end(globals, report);
  return s;
}

}  // namespace cairn::tools
