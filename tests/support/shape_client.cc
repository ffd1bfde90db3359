#include "tests/support/shape_client.h"

#include <array>
#include <chrono>
#include <cstdio>
#include <thread>
#include <utility>

#include "engine/json/json.h"

namespace cairn::tests {

namespace {

std::string encoded(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       std::string_view("-_.*").find(c) != std::string_view::npos;
    if (plain) {
      out += c;
    } else {
      std::array<char, 4> escape{};
      std::snprintf(escape.data(), escape.size(), "%%%02X", static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += escape.data();
    }
  }
  return out;
}

const engine::Object* object_at(const engine::Object& in, std::string_view name) {
  const engine::Value* found = engine::find_property(in, name);
  return found == nullptr ? nullptr : found->get<engine::Object>();
}

std::string text_at(const engine::Object& in, std::string_view name) {
  const engine::Value* found = engine::find_property(in, name);
  const std::string* text = found == nullptr ? nullptr : found->get<std::string>();
  return text == nullptr ? "" : *text;
}

}  // namespace

ShapeClient::ShapeClient(std::string address, std::string path, std::map<std::string, std::string> query)
    : address_(std::move(address)), path_(std::move(path)), query_(std::move(query)) {}

void ShapeClient::use(const std::string& address) {
  address_ = address;
  connection_.reset();
}

std::string ShapeClient::target() const {
  std::map<std::string, std::string> query = query_;
  query["log"] = "full";
  query["offset"] = offset_;
  if (!handle_.empty()) {
    query["handle"] = handle_;
  }
  if (!expired_handle_.empty()) {
    query["expired_handle"] = expired_handle_;
  }
  if (live_) {
    query["live"] = "true";
    query["cursor"] = cursor_;
  }
  std::string out = path_;
  for (const auto& [name, value] : query) {
    out += (out.find('?') == std::string::npos ? "?" : "&") + encoded(name) + "=" + encoded(value);
  }
  return out;
}

void ShapeClient::send() {
  if (connection_ == nullptr) {
    connection_ = std::make_unique<Client>(address_);
  }
  asked_live_ = live_;
  connection_->send("GET " + target() + " HTTP/1.1\r\nHost: " + address_ + "\r\n" + headers + "\r\n");
}

Reply ShapeClient::receive() {
  Reply reply = connection_->read_reply();
  if (reply.status == 0 || reply.headers["connection"] == "close") {
    connection_.reset();
  }
  take(reply);
  return reply;
}

Reply ShapeClient::step() {
  send();
  return receive();
}

bool ShapeClient::step_until_rows(int answers_max) {
  for (int i = 0; i < answers_max && ended_.empty(); ++i) {
    emitted_.clear();
    step();
    if (!emitted_.empty()) {
      return true;
    }
  }
  return false;
}

void ShapeClient::take(Reply& reply) {
  if (reply.status == 0 || reply.status == 429 || reply.status >= 500) {
    ++retries_;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // there: 100 ms and more
    return;
  }
  if (reply.status == 409) {
    if (reply.body.rfind('[', 0) != 0 || reply.headers["content-type"] != "application/json") {
      ended_ = "a 409 that is no list: " + reply.body;
      return;
    }
    begin_anew(reply.headers["electric-handle"]);
    take_body(reply.body);
    return;
  }
  if (reply.status == 204) {
    return;
  }
  if (reply.status != 200) {
    ended_ = std::to_string(reply.status) + " " + reply.body;
    return;
  }
  for (const char* name : {"electric-offset", "electric-handle", asked_live_ ? "electric-cursor" : "electric-schema"}) {
    if (reply.headers.count(name) == 0) {
      ended_ = std::string("no header ") + name;
      return;
    }
  }
  if (reply.headers["electric-handle"] == expired_handle_) {
    ended_ = "a handle that it was told to give up";
    return;
  }
  handle_ = reply.headers["electric-handle"];
  offset_ = reply.headers["electric-offset"];
  if (asked_live_) {
    cursor_ = reply.headers["electric-cursor"];
  }
  live_ = reply.headers.count("electric-up-to-date") != 0;
  take_body(reply.body);
}

void ShapeClient::begin_anew(const std::string& handle) {
  ++resets_;
  expired_handle_ = handle_;
  handle_ = handle.empty() ? handle_ + "-next" : handle;
  offset_ = "-1";
  cursor_.clear();
  live_ = false;
}

void ShapeClient::take_body(const std::string& body) {
  const auto parsed = engine::parse_json(body);
  const engine::Array* messages = parsed.ok() ? parsed->get<engine::Array>() : nullptr;
  if (messages == nullptr) {
    ended_ = "a body that is no list: " + body;
    return;
  }
  for (const engine::Value& message : *messages) {
    const auto& object = *message.get<engine::Object>();
    const engine::Object& of_message = *object_at(object, "headers");
    const std::string control = text_at(of_message, "control");
    if (control == "must-refetch") {
      received_.clear();
      arrived_.clear();
      rows_.clear();
    } else if (control == "up-to-date") {
      rows_ = received_;
      if (!arrived_.empty()) {
        emitted_ = std::exchange(arrived_, {});
      }
    } else {
      const std::string operation = text_at(of_message, "operation");
      if (operation != "insert" && operation != "update") {
        continue;
      }
      Row& row = received_[text_at(object, "key")];
      for (const engine::Property& column : *object_at(object, "value")) {
        const std::string* text = column.value.get<std::string>();
        row[column.key] = text == nullptr ? std::nullopt : std::optional(*text);
      }
      arrived_.push_back(row);
    }
  }
}

std::string ShapeClient::column(const std::string& run, const std::string& name) const {
  for (const auto& [key, row] : rows_) {
    if (row.at("friendlyId") == run) {
      const auto found = row.find(name);
      return found == row.end() ? "missing" : found->second.value_or("null");
    }
  }
  return "no such row";
}

}  // namespace cairn::tests
