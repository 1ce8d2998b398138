//! Rules: patterns compared with a naive matcher, each condition by itself, and the sampler that is used.

use proptest::{collection::vec, prelude::*, sample::select};
use traceparent::{
    TraceContext, TraceId, TraceParent, TraceState,
    sampler::{
        AlwaysOff, AlwaysOn, AttributeCondition, AttributeValue, Parent, ParentKind, Predicate, Rule, RuleBased, Rules,
        Sampler, SamplingDecision, SamplingInput, SamplingResult, SpanDetails, SpanKind,
    },
};

const TRACE: TraceId = TraceId::from_static("4bf92f3577b34da6a3ce929d0e0e4736");
static PARENT: TraceContext<'static> = TraceContext::new(
    TraceParent::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    TraceState::EMPTY,
);

const fn root(span: SpanDetails<'_>) -> SamplingInput<'_> {
    SamplingInput::root(TRACE).with_span(span)
}

fn name_matches(pattern: &str, name: &str) -> bool {
    Rule::new().with_names(&[pattern]).matches(&root(SpanDetails::new(name)))
}

/// A naive matcher of patterns.
fn naive(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['*', rest @ ..], _) => naive(rest, text) || (!text.is_empty() && naive(pattern, &text[1..])),
        (['?', rest @ ..], [_, after @ ..]) => naive(rest, after),
        ([wanted, rest @ ..], [found, after @ ..]) => wanted == found && naive(rest, after),
        _ => false,
    }
}

fn text(alphabet: &'static [char], length: usize) -> impl Strategy<Value = String> {
    vec(select(alphabet), 0..=length).prop_map(String::from_iter)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16_384))]

    #[test]
    fn patterns_mean_what_a_naive_matcher_says(
        pattern in text(&['*', '*', '?', 'a', 'b', 'é', '語'], 8),
        text in text(&['a', 'b', 'é', '語', '*', '?'], 10),
    ) {
        let [wanted, found] = [&pattern, &text].map(|text| text.chars().collect::<Vec<_>>());
        prop_assert_eq!(name_matches(&pattern, &text), naive(&wanted, &found));
    }

    #[test]
    fn a_pattern_made_of_a_text_matches_it(text in text(&['a', 'b', 'é', '語'], 10), holes in any::<u16>()) {
        let hole = |i: usize, c| match holes >> (2 * i.min(7)) & 3 {
            0 => String::from("*"),
            1 => String::from("?"),
            2 => format!("*{c}"),
            _ => String::from(c),
        };
        let pattern: String = text.chars().enumerate().map(|(i, c)| hole(i, c)).collect();
        prop_assert!(name_matches(&pattern, &text), "{}", pattern);
    }
}

#[test]
fn patterns_cover_the_whole_text() {
    for (pattern, yes, no) in [
        ("", &[""][..], &["a", "*"][..]),
        ("*", &["", "a", "é語"], &[]),
        ("?", &["a", "é", "語"], &["", "ab"]),
        ("??*", &["ab", "é語x"], &["", "語"]),
        ("GET *", &["GET ", "GET /a b"], &["GET", "get /", " GET /"]),
        ("*/orders/*", &["/orders/", "GET /orders/7/orders/"], &["/orders"]),
        ("*aab", &["aaab", "aabaab"], &["aaba"]),
        ("[a-z].+", &["[a-z].+"], &["a"]),
    ] {
        for text in yes {
            assert!(name_matches(pattern, text), "{pattern:?} and {text:?}");
        }
        for text in no {
            assert!(!name_matches(pattern, text), "{pattern:?} and {text:?}");
        }
    }
}

#[test]
fn a_pattern_with_many_stars_does_not_take_for_ever() {
    let long = "a".repeat(10_000);
    assert!(!name_matches("*a*a*a*a*b", &long));
    assert!(name_matches("*a*a*a*a*", &long));
    assert!(!name_matches(&"*a".repeat(1_000), &"a".repeat(999)));
    assert!(!name_matches(&format!("{}b", "*".repeat(10_000)), &long));
}

#[test]
fn a_rule_without_conditions_means_every_span() {
    assert!(Rule::new().matches(&root(SpanDetails::default())));
    assert!(Rule::default().matches(&SamplingInput::child_of(Parent::Local(&PARENT))));
    assert_eq!(Rule::new().with_names(&[]).with_attributes(&[]).with_span_kinds(&[]).with_parents(&[]), Rule::new());
}

// OTel 17
#[test]
fn one_name_one_kind_and_one_parent_of_those_listed_will_do() {
    let names = Rule::new().with_names(&["POST *", "GET *"]);
    assert!(names.matches(&root(SpanDetails::new("GET /"))));
    assert!(!names.matches(&root(SpanDetails::new("PUT /"))));

    let kinds = [SpanKind::Internal, SpanKind::Server, SpanKind::Client, SpanKind::Producer, SpanKind::Consumer];
    for (i, kind) in kinds.into_iter().enumerate() {
        let input = root(SpanDetails::new("").with_kind(kind));
        assert!(Rule::new().with_span_kinds(&[kind, kinds[(i + 1) % 5]]).matches(&input));
        assert!(!Rule::new().with_span_kinds(&[kinds[(i + 1) % 5], kinds[(i + 2) % 5]]).matches(&input));
    }

    let inputs = [
        (SamplingInput::root(TRACE), ParentKind::None),
        (SamplingInput::child_of(Parent::Remote(&PARENT)), ParentKind::Remote),
        (SamplingInput::child_of(Parent::Local(&PARENT)), ParentKind::Local),
    ];
    for (input, of) in inputs {
        for kind in [ParentKind::None, ParentKind::Remote, ParentKind::Local] {
            assert_eq!(Rule::new().with_parents(&[kind]).matches(&input), kind == of);
        }
        assert!(Rule::new().with_parents(&[ParentKind::Local, ParentKind::None, ParentKind::Remote]).matches(&input));
    }
}

/// Whether a span whose attribute `k` is this meets the condition.
fn meets(value: AttributeValue<'_>, condition: AttributeCondition<'_>) -> bool {
    let attributes = [("other", AttributeValue::Str("x")), ("k", value)];
    Rule::new().with_attributes(&[condition]).matches(&root(SpanDetails::new("").with_attributes(&attributes)))
}

const fn values<'a>(values: &'a [&'a str]) -> AttributeCondition<'a> {
    AttributeCondition::Values { key: "k", values }
}

const fn patterns<'a>(included: &'a [&'a str], excluded: &'a [&'a str]) -> AttributeCondition<'a> {
    AttributeCondition::Patterns { key: "k", included, excluded }
}

// OTel 17
#[test]
fn values_are_literal_and_patterns_are_not() {
    let star = AttributeValue::Str("a*");
    assert!(meets(star, values(&["b", "a*"])));
    assert!(!meets("ab".into(), values(&["a*", "a?", "A*"])));
    assert!(!meets(star, values(&[])));
    assert!(meets("ab".into(), patterns(&["b*", "a?"], &[])));
    assert!(!meets("ab".into(), patterns(&["b*", "a"], &[])));
}

// OTel 17
#[test]
fn nothing_included_means_everything_and_what_is_excluded_wins() {
    assert!(meets("ab".into(), patterns(&[], &[])));
    assert!(meets("".into(), patterns(&[], &["?*"])));
    assert!(!meets("ab".into(), patterns(&[], &["a*"])));
    assert!(!meets("ab".into(), patterns(&["ab", "*"], &["c", "*b"])));
    assert!(meets("ab".into(), patterns(&["ab"], &["ba"])));
}

#[test]
fn a_missing_attribute_meets_no_condition() {
    let attributes: &[(&str, AttributeValue<'_>)] = &[("kk", "x".into())];
    for span in [SpanDetails::new("k"), SpanDetails::new("k").with_attributes(&attributes)] {
        for condition in [values(&["x", ""]), patterns(&[], &[]), patterns(&["*"], &[]), patterns(&[], &["x"])] {
            assert!(!Rule::new().with_attributes(&[condition]).matches(&root(span)), "{condition:?}");
        }
    }
}

#[test]
fn other_values_are_compared_in_decimal() {
    for (value, text) in [
        (AttributeValue::Bool(true), "true"),
        (false.into(), "false"),
        (200_i64.into(), "200"),
        (i64::MIN.into(), "-9223372036854775808"),
        (i64::MAX.into(), "9223372036854775807"),
        (0.25.into(), "0.25"),
        ((-0.5).into(), "-0.5"),
        (1e308.into(), "1e308"),
        (5e-324.into(), "5e-324"),
        (f64::MIN.into(), "-1.7976931348623157e308"),
        (f64::NAN.into(), "NaN"),
        (f64::INFINITY.into(), "Infinity"),
        (f64::NEG_INFINITY.into(), "-Infinity"),
    ] {
        assert!(meets(value, values(&["?", text])), "{text}");
        assert!(meets(value, patterns(&[text], &[])), "{text}");
        assert!(!meets(value, patterns(&[], &[text])), "{text}");
        assert!(!meets(value, values(&["", "other"])), "{text}");
    }
    assert!(meets(503_i64.into(), patterns(&["5??"], &[])));
    assert!(!meets(5030_i64.into(), patterns(&["5??"], &[])));
}

proptest! {
    #[test]
    fn any_number_is_compared_by_the_text_that_reads_back_as_it(integer in any::<i64>(), bits in any::<u64>()) {
        prop_assert!(meets(integer.into(), values(&[&integer.to_string()])));
        let float = f64::from_bits(bits);
        let text = format!("{float:?}").replace("inf", "Infinity");
        prop_assert!(meets(float.into(), values(&[&text])));
    }
}

#[test]
fn all_conditions_have_to_be_met() {
    let attributes = [(Rule::METHOD, "GET".into()), (Rule::ROUTE, "/orders".into())];
    let span = SpanDetails::new("GET /orders").with_kind(SpanKind::Server).with_attributes(&attributes);
    let met = SamplingInput::child_of(Parent::Remote(&PARENT)).with_span(span);
    let method = AttributeCondition::Values { key: Rule::METHOD, values: &["GET"] };
    let route = AttributeCondition::Patterns { key: Rule::ROUTE, included: &["/o*"], excluded: &[] };
    let conditions = [method, route];
    let rule = Rule::new()
        .with_names(&["GET *"])
        .with_attributes(&conditions)
        .with_span_kinds(&[SpanKind::Server])
        .with_parents(&[ParentKind::Remote]);
    assert!(rule.matches(&met));

    let wrong = AttributeCondition::Values { key: Rule::ROUTE, values: &["/"] };
    let conditions = [[method, wrong], [wrong, route]];
    for broken in [
        rule.with_names(&["POST *"]),
        rule.with_attributes(&conditions[0]),
        rule.with_attributes(&conditions[1]),
        rule.with_span_kinds(&[SpanKind::Client]),
        rule.with_parents(&[ParentKind::Local]),
    ] {
        assert!(!broken.matches(&met), "{broken:?}");
    }
}

/// Records only, so that nothing else answers the same, and annotates with its number.
struct Numbered(i64);

impl Sampler for Numbered {
    fn should_sample(&self, _: &SamplingInput<'_>) -> SamplingResult {
        SamplingResult::new(SamplingDecision::RecordOnly)
    }

    fn annotate(&self, _: &SamplingInput<'_>, visit: &mut dyn FnMut(&str, AttributeValue<'_>)) {
        visit("number", self.0.into());
    }
}

/// The numbers of the samplers that annotate a span of this name.
fn annotated(sampler: &dyn Sampler, name: &str) -> Vec<String> {
    let mut numbers = Vec::new();
    sampler.annotate(&root(SpanDetails::new(name)), &mut |_, value| numbers.push(value.to_string()));
    numbers
}

fn decision(sampler: &dyn Sampler, name: &str) -> SamplingDecision {
    sampler.should_sample(&root(SpanDetails::new(name))).decision
}

#[test]
fn the_first_rule_that_matches_decides_and_annotates_alone() {
    let sampler = RuleBased::new([
        (Rule::new().with_names(&["a"]), Numbered(1)),
        (Rule::new().with_names(&["a*"]), Numbered(2)),
        (Rule::new().with_names(&["*b", "a*"]), Numbered(3)),
    ]);
    for (name, number) in [("a", "1"), ("ab", "2"), ("b", "3")] {
        assert_eq!(annotated(&sampler, name), [number]);
        assert_eq!(decision(&sampler, name), SamplingDecision::RecordOnly);
    }
    let rules: [(Rule<'_>, &dyn Sampler); 3] =
        [(Rule::new().with_names(&["a"]), &AlwaysOff), (Rule::new(), &AlwaysOn), (Rule::new(), &AlwaysOff)];
    assert_eq!(decision(&RuleBased::new(rules), "a"), SamplingDecision::Drop);
    assert_eq!(decision(&RuleBased::new(rules), "b"), SamplingDecision::RecordAndSample);
}

// As `composite::RuleBased` does: "no match: none".
#[test]
fn where_no_rule_matches_the_span_is_dropped() {
    let none: [(Rule<'_>, AlwaysOn); 0] = [];
    let sampler = RuleBased::new([(Rule::new().with_names(&["a"]), AlwaysOn)]);
    assert_eq!(sampler.should_sample(&root(SpanDetails::new("b"))), SamplingResult::DROP);
    assert_eq!(RuleBased::new(none).should_sample(&root(SpanDetails::new("a"))), SamplingResult::DROP);
    assert!(annotated(&RuleBased::new([(Rule::new().with_names(&["a"]), Numbered(1))]), "b").is_empty());
}

type Closure = dyn Fn(&SamplingInput<'_>) -> bool;

#[test]
fn predicates_see_what_a_span_is_linked_to() {
    let batch = [TraceParent::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")];
    let linked = |input: &SamplingInput<'_>| input.span().links().iter().any(|link| link.flags().is_sampled());
    let sampler = RuleBased::new([(linked, AlwaysOn)]);
    let decision = |span| sampler.should_sample(&root(span)).decision;
    assert_eq!(decision(SpanDetails::new("poll").with_links(&batch)), SamplingDecision::RecordAndSample);
    assert_eq!(decision(SpanDetails::new("poll")), SamplingDecision::Drop);
}

#[test]
fn closures_are_predicates() {
    let wanted = String::from("a");
    let sampler = RuleBased::new([(|input: &SamplingInput<'_>| input.span().name() == wanted, AlwaysOn)]);
    assert!(decision(&sampler, "a").is_sampled());
    assert!(!decision(&sampler, "b").is_sampled());

    let long = |input: &SamplingInput<'_>| input.span().name().len() > 3;
    let local = |input: &SamplingInput<'_>| matches!(input.parent(), Some(Parent::Local(_)));
    let (long, local): (&Closure, &Closure) = (&long, &local);
    assert_eq!(annotated(&RuleBased::new([(local, Numbered(1)), (long, Numbered(2))]), "long name"), ["2"]);
}

#[test]
fn rules_come_in_arrays_and_slices() {
    let rules = [(Rule::new().with_names(&["a"]), Numbered(1)), (Rule::new(), Numbered(2))];
    assert_eq!(annotated(&RuleBased::new(&rules[..]), "a"), ["1"]);
    assert_eq!(annotated(&RuleBased::new(&rules[1..]), "a"), ["2"]);
    assert_eq!(rules[..].rules().len(), 2);
    assert_eq!(rules.first(&root(SpanDetails::new("b"))).unwrap().0, 2);
    assert_eq!(annotated(&RuleBased::new(rules), "b"), ["2"]);
}

#[cfg(feature = "alloc")]
#[test]
fn rules_come_in_vectors() {
    let boxed: Vec<(Rule<'_>, Box<dyn Sampler>)> =
        vec![(Rule::new().with_names(&["a"]), Box::new(AlwaysOff)), (Rule::new(), Box::new(Numbered(2)))];
    let sampler = RuleBased::new(boxed);
    assert_eq!(decision(&sampler, "a"), SamplingDecision::Drop);
    assert_eq!(annotated(&sampler, "b"), ["2"]);
}
