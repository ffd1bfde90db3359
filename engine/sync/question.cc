#include "engine/sync/question.h"

#include <utility>

#include "engine/json/msgpack_cursor.h"
#include "engine/json/msgpack_writer.h"
#include "engine/sync/message_fields.h"

namespace cairn::engine::sync {

namespace {

constexpr size_t kRunBytesMin = 5;
constexpr size_t kFieldsMin = 3;  // then whether it follows, then what it tells of itself
constexpr size_t kFieldsMax = 5;
constexpr Status kBadQuestion{Code::kCorrupt, "malformed question for documents"};

bool read_run(MsgpackCursor& in, Question::Run& run) {
  size_t fields = 0;
  if (!in.read_array(fields) || (fields != 3 && fields != 5) || !read_run_id(in, run.id)) {
    return false;
  }
  run.if_unseen = fields == 3;
  return run.if_unseen ? in.read_unsigned(run.seen_life) && in.read_unsigned(run.seen_version)
                       : in.read_bool(run.if_newer) && in.read_unsigned(run.generation) && in.read_unsigned(run.life) &&
                             in.read_unsigned(run.sequence);
}

}  // namespace

std::string encode_question(const Question& question) {
  std::string out = begin_plain("CRNQ");
  MsgpackWriter writer(out);
  const bool tells = question.follows && question.about;
  writer.write_array(tells ? kFieldsMax : question.follows ? kFieldsMax - 1 : kFieldsMin);
  write_id(writer, question.owner);
  writer.write_unsigned(question.number);
  writer.write_array(question.runs.size());
  for (const Question::Run& run : question.runs) {
    writer.write_array(run.if_unseen ? 3 : 5);
    writer.write_string(run.id);
    if (run.if_unseen) {
      writer.write_unsigned(run.seen_life);
      writer.write_unsigned(run.seen_version);
      continue;
    }
    writer.write_bool(run.if_newer);
    writer.write_unsigned(run.generation);
    writer.write_unsigned(run.life);
    writer.write_unsigned(run.sequence);
  }
  if (question.follows) {
    writer.write_bool(true);
  }
  if (tells) {
    write_about(writer, *question.about);
  }
  end_plain(out);
  return out;
}

Result<Question> decode_question(std::string_view bytes) {
  std::string_view body;
  CAIRN_TRY(open_plain(bytes, "CRNQ", kBadQuestion, body));
  MsgpackCursor in(body);
  Question question;
  size_t fields = 0;
  const bool good = in.read_array(fields) && fields >= kFieldsMin && fields <= kFieldsMax &&
                    read_id(in, question.owner) && in.read_unsigned(question.number) &&
                    read_list(in, kRunBytesMin, question.runs, [&](Question::Run& run) { return read_run(in, run); }) &&
                    (fields == kFieldsMin || in.read_bool(question.follows)) &&
                    (fields < kFieldsMax || read_about(in, question.about.emplace()));
  return good && in.at_end() ? Result<Question>(std::move(question)) : kBadQuestion;
}

}  // namespace cairn::engine::sync
