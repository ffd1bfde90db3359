#include "tests/support/simulated_disk.h"

#include <algorithm>
#include <cassert>
#include <cstdio>
#include <functional>
#include <unordered_map>

namespace cairn::testing {

std::string describe(const DiskOperation& op) {
  using Kind = DiskOperation::Kind;
  char text[256];
  const size_t bytes = op.bytes ? op.bytes->size() : 0;
  const auto offset = static_cast<unsigned long long>(op.offset);
  switch (op.kind) {
    case Kind::kCreate:
      return "create " + op.name + " (file " + std::to_string(op.inode) + ")";
    case Kind::kMakeDirectory:
      return "mkdir " + op.name;
    case Kind::kRename:
      return "rename " + op.name + " to " + op.to_name;
    case Kind::kRemove:
      return "remove " + op.name;
    case Kind::kSyncDirectory:
      return "sync directory " + std::to_string(op.inode);
    case Kind::kWrite:
      std::snprintf(text, sizeof text, "write%s file %u, %zu bytes at %llu", op.through ? " through" : "", op.inode,
                    bytes, offset);
      return text;
    case Kind::kStore:
      std::snprintf(text, sizeof text, "store %s file %u, %zu bytes at %llu", op.label, op.inode, bytes, offset);
      return text;
    case Kind::kResize:
      std::snprintf(text, sizeof text, "resize file %u to %llu", op.inode, offset);
      return text;
    case Kind::kSync:
      return "sync file " + std::to_string(op.inode);
    case Kind::kSyncFailed:
      return "failed sync of file " + std::to_string(op.inode);
  }
  return "?";
}

const char* style_name(PowerCut::Style style) {
  static const char* const kNames[kPowerCutStyles] = {"nothing",     "everything", "one file", "old or new",
                                                      "any version", "garbage",    "in order"};
  return kNames[static_cast<size_t>(style)];
}

SimulatedDisk::SimulatedDisk() {
  nodes_.resize(2);
  nodes_[kTopDirectory].directory = true;
}

SimulatedDisk::SimulatedDisk(const DiskImage& image) : SimulatedDisk() {
  const auto place = [this](const std::string& path, bool directory) {
    const size_t slash = path.rfind('/');
    const Inode parent = slash == std::string::npos ? kTopDirectory : find(path.substr(0, slash));
    const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
    const Inode inode = next_inode();
    Node& node = add_node(inode, directory);
    nodes_[parent].live_entries[name] = inode;
    nodes_[parent].durable_entries[name] = inode;
    return &node;
  };
  for (const std::string& name : image.directories) {
    place(name, true);
  }
  for (const auto& [name, bytes] : image.files) {
    Node* node = place(name, false);
    node->live = bytes;
    node->durable = bytes;
  }
}

SimulatedDisk::Node& SimulatedDisk::add_node(Inode inode, bool directory) {
  if (nodes_.size() <= inode) {
    nodes_.resize(inode + 1);
  }
  Node& node = nodes_[inode];
  node.directory = directory;
  return node;
}

void SimulatedDisk::pend_name(Inode directory, const std::string& remove, const std::string& add, Inode inode) {
  Node& node = nodes_.at(directory);
  if (!remove.empty()) {
    node.live_entries.erase(remove);
  }
  if (!add.empty()) {
    node.live_entries[add] = inode;
  }
  node.names.push_back({order_, remove, add, inode});
}

void SimulatedDisk::apply(const DiskOperation& op) {
  using Kind = DiskOperation::Kind;
  ++order_;
  switch (op.kind) {
    case Kind::kCreate:
    case Kind::kMakeDirectory:
      add_node(op.inode, op.kind == Kind::kMakeDirectory);
      pend_name(op.directory, "", op.name, op.inode);
      break;
    case Kind::kRename:
      if (op.directory == op.to_directory) {
        pend_name(op.directory, op.name, op.to_name, op.inode);
      } else {
        pend_name(op.directory, op.name, "", op.inode);
        pend_name(op.to_directory, "", op.to_name, op.inode);
      }
      break;
    case Kind::kRemove:
      pend_name(op.directory, op.name, "", op.inode);
      break;
    case Kind::kSyncDirectory: {
      Node& node = nodes_.at(op.inode);
      node.durable_entries = node.live_entries;
      node.names.clear();
      break;
    }
    case Kind::kWrite:
    case Kind::kStore: {
      Node& node = nodes_.at(op.inode);
      node.live.overwrite(op.offset, op.bytes->data(), op.bytes->size());
      node.writes.push_back({order_, op.offset, op.bytes, op.through});
      break;
    }
    case Kind::kResize: {
      Node& node = nodes_.at(op.inode);
      node.live.resize(op.offset);
      node.writes.push_back({order_, op.offset, nullptr, false});
      break;
    }
    case Kind::kSync: {
      // Replayed rather than copied: what a failed sync dropped stays old.
      Node& node = nodes_.at(op.inode);
      for (const PendingWrite& w : node.writes) {
        if (w.bytes) {
          node.durable.overwrite(w.offset, w.bytes->data(), w.bytes->size());
        } else {
          node.durable.resize(w.offset);
        }
      }
      node.writes.clear();
      break;
    }
    case Kind::kSyncFailed:
      nodes_.at(op.inode).writes.clear();
      break;
  }
}

Inode SimulatedDisk::find(Inode directory, const std::string& name) const {
  const auto at = nodes_.at(directory).live_entries.find(name);
  return at == nodes_.at(directory).live_entries.end() ? kNoInode : at->second;
}

Inode SimulatedDisk::find(const std::string& path) const {
  Inode at = kTopDirectory;
  for (size_t begin = 0; begin < path.size() && at != kNoInode;) {
    const size_t end = std::min(path.find('/', begin), path.size());
    at = nodes_.at(at).directory ? find(at, path.substr(begin, end - begin)) : kNoInode;
    begin = end + 1;
  }
  return at;
}

DiskImage SimulatedDisk::kill() const {
  DiskImage image;
  const std::function<void(Inode, const std::string&)> walk = [&](Inode directory, const std::string& prefix) {
    for (const auto& [name, inode] : nodes_.at(directory).live_entries) {
      if (nodes_.at(inode).directory) {
        image.directories.insert(prefix + name);
        walk(inode, prefix + name + "/");
      } else {
        image.files[prefix + name] = nodes_.at(inode).live;
      }
    }
  };
  walk(kTopDirectory, "");
  return image;
}

DiskImage SimulatedDisk::cut_power(const PowerCut& how, SeededRandom& random) const {
  // kInOrder: everything up to one moment after the oldest pending operation.
  uint64_t oldest = order_;
  for (const Node& node : nodes_) {
    if (!node.writes.empty()) {
      oldest = std::min(oldest, node.writes.front().order);
    }
    if (!node.names.empty()) {
      oldest = std::min(oldest, node.names.front().order);
    }
  }
  const uint64_t order_max = oldest - 1 + random.below(order_ - oldest + 2);

  DiskImage image;
  const std::function<void(Inode, const std::string&)> walk = [&](Inode directory, const std::string& prefix) {
    const Entries entries = torn_entries(nodes_.at(directory), how, order_max, random);
    for (const auto& [name, inode] : entries) {
      const Node& node = nodes_.at(inode);
      if (node.directory) {
        image.directories.insert(prefix + name);
        walk(inode, prefix + name + "/");
      } else {
        image.files[prefix + name] = torn(node, how, order_max, random);
      }
    }
  };
  walk(kTopDirectory, "");
  return image;
}

SimulatedDisk::Entries SimulatedDisk::torn_entries(const Node& node, const PowerCut& how, uint64_t order_max,
                                                   SeededRandom& random) const {
  using Style = PowerCut::Style;
  Entries entries = node.durable_entries;
  const size_t prefix = random.below(node.names.size() + 1);
  const bool whole = random.coin();
  for (size_t i = 0; i < node.names.size(); ++i) {
    const PendingName& n = node.names[i];
    bool happened = how.names_in_order ? i < prefix : random.coin();
    switch (how.style) {
      case Style::kNothing:
        happened = false;
        break;
      case Style::kEverything:
        happened = true;
        break;
      case Style::kOneFile:
        happened = whole;
        break;
      case Style::kInOrder:
        happened = n.order <= order_max;
        break;
      default:
        break;
    }
    if (!happened) {
      continue;
    }
    if (!n.remove.empty()) {
      entries.erase(n.remove);
    }
    if (!n.add.empty()) {
      entries[n.add] = n.inode;
    }
  }
  return entries;
}

FileContent SimulatedDisk::torn(const Node& node, const PowerCut& how, uint64_t order_max, SeededRandom& random) const {
  using Style = PowerCut::Style;
  if (node.writes.empty()) {
    return node.durable;
  }
  const bool whole = how.style == Style::kEverything || (how.style == Style::kOneFile && random.coin());
  const bool none = how.style == Style::kNothing || (how.style == Style::kOneFile && !whole);

  // Which versions of each unit there are; the device has at least the last one written through.
  struct Unit {
    uint32_t versions = 0;
    uint32_t at_least = 0;
    uint32_t at_most_in_order = 0;
    uint32_t chosen = 0;
    uint32_t seen = 0;
    bool garbage = false;
  };
  std::map<uint64_t, Unit> units;  // ordered: the choices must not depend on a hash
  uint64_t size_in_order = node.durable.size;
  for (const PendingWrite& w : node.writes) {
    if (!w.bytes) {
      size_in_order = w.order <= order_max ? w.offset : size_in_order;
      continue;
    }
    if (w.order <= order_max || w.through) {
      size_in_order = std::max<uint64_t>(size_in_order, w.offset + w.bytes->size());
    }
    for (uint64_t u = w.offset / how.unit_bytes; u * how.unit_bytes < w.offset + w.bytes->size(); ++u) {
      Unit& unit = units[u];
      ++unit.versions;
      if (w.through) {
        unit.at_least = unit.versions;
      }
      if (w.order <= order_max) {
        unit.at_most_in_order = unit.versions;
      }
    }
  }
  const bool sparse_garbage = random.coin();
  for (auto& [number, unit] : units) {
    if (none) {
      unit.chosen = 0;
    } else if (whole) {
      unit.chosen = unit.versions;
    } else if (how.style == Style::kInOrder) {
      unit.chosen = unit.at_most_in_order;
    } else if (how.style == Style::kOldOrNew) {
      unit.chosen = random.coin() ? unit.versions : 0;
    } else {
      unit.chosen = static_cast<uint32_t>(random.below(unit.versions + 1));
    }
    unit.chosen = std::max(unit.chosen, unit.at_least);
    if (how.style == Style::kGarbage && unit.at_least < unit.versions) {
      unit.garbage = random.one_in(sparse_garbage ? 16 : 3);
    }
  }

  FileContent content = node.durable;
  for (const PendingWrite& w : node.writes) {
    if (!w.bytes) {
      continue;
    }
    for (uint64_t u = w.offset / how.unit_bytes; u * how.unit_bytes < w.offset + w.bytes->size(); ++u) {
      Unit& unit = units[u];
      if (++unit.seen > unit.chosen) {
        continue;
      }
      const uint64_t begin = std::max<uint64_t>(u * how.unit_bytes, w.offset);
      const uint64_t end = std::min<uint64_t>((u + 1) * how.unit_bytes, w.offset + w.bytes->size());
      content.overwrite(begin, w.bytes->data() + (begin - w.offset), end - begin);
    }
  }

  // The length: what was written through lies within it.
  uint64_t size = node.durable.size;
  uint64_t size_min = 0;
  for (const PendingWrite& w : node.writes) {
    if (w.through) {
      size_min = std::max<uint64_t>(size_min, w.offset + w.bytes->size());
    }
  }
  const uint64_t live = node.live.size;
  if (whole) {
    size = live;
  } else if (how.style == Style::kInOrder) {
    size = size_in_order;
  } else if (!none && size != live) {
    switch (random.below(3)) {
      case 0:
        break;
      case 1:
        size = live;
        break;
      default: {
        const uint64_t low = std::min(size, live);
        const uint64_t between = low + random.below(std::max(size, live) - low + 1);
        size = std::max(low, between / how.unit_bytes * how.unit_bytes);
      }
    }
  }
  content.resize(std::max(size, size_min));
  for (const auto& [number, unit] : units) {
    const uint64_t begin = number * how.unit_bytes;
    if (!unit.garbage || begin >= content.size) {
      continue;
    }
    const uint64_t bytes = std::min<uint64_t>(how.unit_bytes, content.size - begin);
    std::string ruined(bytes, '\0');
    switch (random.below(3)) {
      case 0:
        break;
      case 1:
        random.fill(ruined.data(), bytes);
        break;
      default:  // half of what was being written
        if (begin < content.bytes.size()) {
          content.bytes.copy(ruined.data(), bytes / 2, begin);
        }
        random.fill(ruined.data() + bytes / 2, bytes - bytes / 2);
    }
    content.overwrite(begin, ruined.data(), bytes);
  }
  return content;
}

}  // namespace cairn::testing
