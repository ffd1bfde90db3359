// A question for what others wrote that is carried beside the batches, as over a folder.
#include "engine/sync/carried_question.h"

#include "engine/sync/documents.h"
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

using Carried = engine::Upstream::Carried;

class CarriedQuestions : public SyncTest {
 protected:
  void SetUp() override {
    up.open();
    worker.open();
    worker.attach();
  }
  static std::string ask(Site& site) {
    std::string question;
    EXPECT_TRUE(site.store().upstream().ask_carried(question).ok());
    return question;
  }
  static Carried take(Site& site, const std::string& question, const std::string& answer) {
    Carried became = Carried::kAnothers;
    EXPECT_TRUE(site.store().upstream().take_carried(question, answer, became).ok());
    return became;
  }
  /// "first..last, count" of the runs that a question asks for.
  static std::string runs_of(const std::string& question) {
    const auto asked = sync::decode_question(question);
    EXPECT_TRUE(asked.ok());
    return asked->runs.front().id + ".." + asked->runs.back().id + ", " + std::to_string(asked->runs.size());
  }
  /// An answer that knows the first `count` of them, and none that others write.
  static std::string empty_answer(const std::string& question, size_t count) {
    const auto asked = sync::decode_question(question);
    sync::Documents documents;
    documents.number = asked->number;
    for (size_t i = 0; i < count; ++i) {
      documents.runs.emplace_back().id = asked->runs[i].id;
    }
    return sync::encode_documents(documents);
  }
  static bool waits(Site& site) {
    sync::Digest digest{};
    EXPECT_TRUE(site.store().upstream().carried(digest).ok());
    return digest != sync::Digest{};
  }
};

TEST_F(CarriedQuestions, ReachEachUnfinishedRunInTurn) {
  EXPECT_EQ(ask(worker), "") << "no runs";
  for (int i = 0; i < 2500; ++i) {
    worker.start("r" + std::to_string(10'000 + i), "{}");
  }
  worker.finish("r10001");
  worker.sync_with(up);
  std::string question = ask(worker);
  EXPECT_EQ(runs_of(question), "r10000..r11000, 1000") << "r10001 is finished";
  EXPECT_EQ(take(worker, question, ""), Carried::kWaits);
  EXPECT_EQ(take(worker, question, empty_answer(question, 1000)), Carried::kOver);
  EXPECT_FALSE(waits(worker));
  question = ask(worker);
  EXPECT_EQ(runs_of(question), "r11001..r12000, 1000");
  EXPECT_EQ(take(worker, question, empty_answer(question, 400)), Carried::kOver);
  question = ask(worker);
  EXPECT_EQ(runs_of(question), "r11401..r12400, 1000") << "on after the last that the answer reached";
  EXPECT_EQ(take(worker, question, empty_answer(question, 1000)), Carried::kOver);
  question = ask(worker);
  EXPECT_EQ(runs_of(question), "r12401..r12499, 99");
  EXPECT_EQ(take(worker, question, empty_answer(question, 99)), Carried::kOver);
  question = ask(worker);
  EXPECT_EQ(runs_of(question), "r10000..r11000, 1000") << "and from the start again";
  EXPECT_EQ(ask(worker).substr(0, 4), "CRNQ");
  EXPECT_EQ(take(worker, question, empty_answer(question, 1000)), Carried::kOver) << "another one came after it";
  EXPECT_TRUE(waits(worker));
}

TEST_F(CarriedQuestions, AreKnownToALaterProcessAndToNoOtherStore) {
  worker.start("r", R"({"n":1})");
  worker.sync_with(up);
  const std::string question = ask(worker);
  up.set("r", "stop", "true");
  const std::string answer = up.receiver().handle(question);
  EXPECT_EQ(take(worker, "no message", answer), Carried::kAnothers);
  worker.close();
  worker.open();
  EXPECT_TRUE(waits(worker));
  EXPECT_EQ(take(worker, question, answer), Carried::kOver);
  EXPECT_EQ(worker.state("r"), R"({"n":1,"stop":true})");
  EXPECT_EQ(take(worker, question, answer), Carried::kOver) << "it counts once";
}

TEST_F(CarriedQuestions, AnAnswerThatIsNoneEndsTheQuestionAndChangesNothing) {
  worker.start("r", R"({"n":1})");
  worker.start("s", "{}");
  worker.sync_with(up);
  std::string question = ask(worker);
  sync::Documents documents;
  documents.number = sync::decode_question(question)->number;
  documents.runs.emplace_back().id = "s";
  EXPECT_EQ(take(worker, question, sync::encode_documents(documents)), Carried::kOver) << "of other runs";
  EXPECT_FALSE(waits(worker)) << "batches go on";
  question = ask(worker);
  EXPECT_EQ(take(worker, question, "refused"), Carried::kOver) << "an upstream that does not know such questions";
  EXPECT_FALSE(waits(worker));
  EXPECT_EQ(worker.state("r"), R"({"n":1})");
}

// The answer lay in a folder while the upstream was asked in another way: it is the older one.
TEST_F(CarriedQuestions, AnAnswerIsTooLateOnceTheUpstreamWasAskedInAnotherWay) {
  worker.start("r", R"({"n":1})");
  worker.sync_with(up);
  const std::string question = ask(worker);
  up.set("r", "stop", "true");
  const std::string answer = up.receiver().handle(question);
  up.set("r", "stop", "false");
  EXPECT_TRUE(worker.store().refresh("r").ok());
  worker.sync_with(up);
  EXPECT_EQ(worker.state("r"), R"({"n":1,"stop":false})");
  worker.close();
  worker.open();
  EXPECT_EQ(take(worker, question, answer), Carried::kOver);
  EXPECT_EQ(worker.state("r"), R"({"n":1,"stop":false})");
}

TEST_F(CarriedQuestions, OfAnotherUpstreamAreForgotten) {
  worker.start("r", "{}");
  worker.sync_with(up);
  const std::string question = ask(worker);
  EXPECT_TRUE(worker.store().upstream().attach("another", {}).ok());
  EXPECT_FALSE(waits(worker));
  EXPECT_EQ(take(worker, question, up.receiver().handle(question)), Carried::kOver);
}

}  // namespace
}  // namespace cairn::tests
