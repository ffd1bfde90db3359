#include "engine/sync/documents.h"

#include <utility>

#include "engine/json/msgpack.h"
#include "engine/json/msgpack_cursor.h"
#include "engine/json/msgpack_writer.h"
#include "engine/sync/message_fields.h"

namespace cairn::engine::sync {

namespace {

constexpr size_t kDocumentBytesMin = 2;
constexpr Status kBadDocuments{Code::kCorrupt, "malformed answer with documents"};

bool read_document(MsgpackCursor& in, Documents::Run& run) {
  size_t fields = 0;
  if (!in.read_array(fields) || (fields != 1 && fields != 10) || !read_run_id(in, run.id)) {
    return false;
  }
  run.found = fields == 10;
  if (!run.found) {
    return true;
  }
  Object object;
  if (!read_id(in, run.origin.owner) || !in.read_unsigned(run.origin.generation) ||
      !in.read_unsigned(run.origin.life) || !in.read_unsigned(run.origin.sequence) ||
      run.origin.sequence > kSequenceMax || !in.read_unsigned(run.version) || !in.read_unsigned(run.life) ||
      !in.read_bool(run.others_write) || !read_head(in, run.head) || !read_object(in, object)) {
    return false;
  }
  run.document = Document::from_object(std::move(object));
  return true;
}

}  // namespace

std::string encode_documents(const Documents& documents) {
  std::string out = begin_plain("CRND");
  MsgpackWriter writer(out);
  writer.write_array(documents.unseen.feed != 0 ? 4 : 3);
  writer.write_unsigned(documents.number);
  writer.write_unsigned(documents.generation);
  writer.write_array(documents.runs.size());
  for (const Documents::Run& run : documents.runs) {
    writer.write_array(run.found ? 10 : 1);
    writer.write_string(run.id);
    if (!run.found) {
      continue;
    }
    write_id(writer, run.origin.owner);
    writer.write_unsigned(run.origin.generation);
    writer.write_unsigned(run.origin.life);
    writer.write_unsigned(run.origin.sequence);
    writer.write_unsigned(run.version);
    writer.write_unsigned(run.life);
    writer.write_bool(run.others_write);
    write_head(writer, run.head);
    writer.write_map(static_cast<size_t>(run.document.size()));
    for (int i = 0; i < run.document.size(); ++i) {
      writer.write_string(run.document.member(i).key);
      append_msgpack_minimal(out, run.document.member(i).value);
    }
  }
  if (documents.unseen.feed != 0) {
    write_unseen(writer, documents.unseen);
  }
  end_plain(out);
  return out;
}

Result<Documents> decode_documents(std::string_view bytes) {
  std::string_view body;
  CAIRN_TRY(open_plain(bytes, "CRND", kBadDocuments, body));
  MsgpackCursor in(body);
  Documents documents;
  size_t fields = 0;
  const bool good =
      in.read_array(fields) && (fields == 3 || fields == 4) && in.read_unsigned(documents.number) &&
      in.read_unsigned(documents.generation) &&
      read_list(in, kDocumentBytesMin, documents.runs, [&](Documents::Run& run) { return read_document(in, run); }) &&
      (fields == 3 || read_unseen(in, documents.unseen));
  return good && in.at_end() ? Result<Documents>(std::move(documents)) : kBadDocuments;
}

}  // namespace cairn::engine::sync
