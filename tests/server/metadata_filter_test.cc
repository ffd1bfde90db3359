// A filter on the metadata, judged by the stored bytes and by the document.
#include "api/server/metadata_filter.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "engine/json/json.h"
#include "engine/json/msgpack.h"

namespace cairn::tests {
namespace {

TEST(MetadataFilters, SayTheSameOfStoredBytesAsOfTheDocument) {
  for (const char* const json : {R"({})", R"({"n":1,"user":{"id":"u1"},"list":["p",{"q":2}]})",
                                 R"({"n":"1","user":"u1","list":{"1":"p"}})", R"({"n":null,"a.b":{"":5}})"}) {
    auto parsed = engine::parse_json(json);
    ASSERT_TRUE(parsed.ok());
    std::string stored;
    engine::append_msgpack(stored, *parsed);
    const engine::Document document = engine::Document::from_object(std::move(*parsed->get<engine::Object>()));
    for (const char* const text : {"n=1", "n!=1", "n<2", "n~1", "user.id=u1", "user.id!=u1", "list.0=p", "list.1.q>1",
                                   "list.1=p", "none.such!=1", "none.such=1", R"(a\.b=5)", "n=1 user.id=u1"}) {
      std::string wrong;
      const auto terms = server::read_metadata_terms(text, wrong);
      ASSERT_TRUE(terms) << wrong;
      const server::MetadataFilter filter(*terms);
      EXPECT_EQ(filter.may_fit(stored), filter.fits(document)) << text << " of " << json;
    }
  }
}

}  // namespace
}  // namespace cairn::tests
