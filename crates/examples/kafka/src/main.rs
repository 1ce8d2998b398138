//! Contexts in the headers of Kafka's records, with rdkafka. A consumer of one record continues its trace. A consumer of a batch has a
//! trace of its own, with a link to the sender of each record, because a span has one parent.
//!
//! `cargo run` in this folder sends and receives through the broker that is built into rdkafka, and ends. The build needs a C
//! compiler.

use std::{error::Error, time::Duration};

use rdkafka::{
    ClientConfig, Message, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::{BorrowedHeaders, BorrowedMessage, Header, Headers, OwnedHeaders},
    mocking::MockCluster,
    producer::{BaseProducer, BaseRecord, Producer},
};
use traceparent::{Incoming, Outgoing, Policy, RandomIdGenerator, TraceParent, sampler::AlwaysOn};

const POLICY: Policy<AlwaysOn> = Policy::new(AlwaysOn);

/// Reads the context of a record.
fn extract<'a>(record: &'a BorrowedMessage<'_>) -> Incoming<'a> {
    let fields = |name| {
        let headers = record.headers().into_iter().flat_map(BorrowedHeaders::iter);
        headers.filter(move |header| header.key == name).filter_map(|header| header.value)
    };
    Incoming::from_fields(fields("traceparent"), fields("tracestate"))
}

/// Returns the headers of a record to send: those of a record that is forwarded, with the context in place of its own.
fn inject(span: &Outgoing<'_>, forwarded: Option<&BorrowedHeaders>) -> OwnedHeaders {
    let fields = span.fields();
    let kept = forwarded.into_iter().flat_map(BorrowedHeaders::iter);
    let kept = kept.filter(|header| fields.iter().all(|(name, _)| *name != header.key));
    let headers = kept.fold(OwnedHeaders::new(), OwnedHeaders::insert);
    fields.iter().fold(headers, |headers, (name, value)| match value {
        Some(value) => headers.insert(Header { key: name, value: Some(&value.to_string()) }),
        None => headers,
    })
}

/// Handles one record, and forwards it to another topic.
fn forward(record: &BorrowedMessage<'_>, producer: &BaseProducer) -> Result<(), Box<dyn Error>> {
    let span = POLICY.apply(extract(record), &RandomIdGenerator);
    let sent = span.child(&RandomIdGenerator);
    println!("a record continues  {}", span.traceparent());
    let copy = BaseRecord::to("paid").key("order").payload(record.payload().unwrap_or_default());
    producer.send(copy.headers(inject(&sent, record.headers()))).map_err(|(error, _)| error)?;
    Ok(())
}

/// Handles a batch: one span, and the context of each record to link to.
fn handle(batch: &[BorrowedMessage<'_>]) -> (Outgoing<'static>, Vec<TraceParent>) {
    let span = POLICY.apply(Incoming::Absent, &RandomIdGenerator);
    let links: Vec<_> = batch.iter().filter_map(|record| Some(extract(record).context()?.traceparent)).collect();
    println!("a batch has its own {} and links to", span.traceparent());
    for link in &links {
        println!("                    {link}");
    }
    (span, links)
}

fn main() -> Result<(), Box<dyn Error>> {
    let broker = MockCluster::new(1)?;
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.bootstrap_servers()).set("group.id", "orders");
    let producer: BaseProducer = config.create()?;
    let flush = || producer.flush(Duration::from_secs(30));
    for topic in ["ordered", "paid"] {
        broker.create_topic(topic, 1, 1)?;
    }

    // A service that serves a request of a trace writes a record, and a program that knows no traces another one.
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = POLICY.apply(Incoming::from_fields([traceparent], ["congo=t61rcWkgMzE"]), &RandomIdGenerator);
    let sent = request.child(&RandomIdGenerator);
    let tenant = Header { key: "tenant", value: Some("acme") };
    let record = BaseRecord::to("ordered").key("order").payload("1").headers(inject(&sent, None).insert(tenant));
    producer.send(record).map_err(|(error, _)| error)?;
    producer.send(BaseRecord::to("ordered").key("order").payload("2")).map_err(|(error, _)| error)?;
    flush()?;

    let ordered = consumer(&config, "ordered")?;
    let batch = [receive(&ordered)?, receive(&ordered)?];
    let (span, links) = handle(&batch);
    assert_eq!(links, [sent.traceparent()]);
    assert_ne!(span.traceparent().trace_id(), sent.traceparent().trace_id());

    for record in &batch {
        forward(record, &producer)?;
    }
    flush()?;
    let paid = consumer(&config, "paid")?;
    let (first, second) = (receive(&paid)?, receive(&paid)?);
    // The first goes on in its trace, with its list and its other headers; the second starts a trace.
    let incoming = extract(&first);
    let context = incoming.context().ok_or("the context is lost")?;
    assert_eq!(context.traceparent.trace_id(), sent.traceparent().trace_id());
    assert_ne!(context.traceparent.parent_id(), sent.span_id());
    assert_eq!(context.tracestate.as_str(), "congo=t61rcWkgMzE");
    let names: Vec<_> = first.headers().into_iter().flat_map(BorrowedHeaders::iter).map(|header| header.key).collect();
    assert_eq!(names, ["tenant", "traceparent", "tracestate"]);
    assert!(extract(&second).context().is_some());
    Ok(())
}

fn consumer(config: &ClientConfig, topic: &str) -> Result<BaseConsumer, Box<dyn Error>> {
    let consumer: BaseConsumer = config.create()?;
    let mut partition = TopicPartitionList::new();
    partition.add_partition_offset(topic, 0, rdkafka::Offset::Beginning)?;
    consumer.assign(&partition)?;
    Ok(consumer)
}

fn receive(consumer: &BaseConsumer) -> Result<BorrowedMessage<'_>, Box<dyn Error>> {
    Ok(consumer.poll(Duration::from_secs(30)).ok_or("no record arrives")??)
}
