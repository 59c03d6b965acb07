//! What the writer does, step by step; it and the reader wait for each other through the service.
//!
//! Called by `main`. Invariant: before it waits, it has said what it did.

use capos_rt::abi::error::Transport;
use capos_rt::abi::outcome::ExitStatus;
use capos_rt::schema::key_value::KeyValue;
use capos_rt::schema::key_value_store::{KeyValueStore, KeyValueStorePutStatus};
use capos_rt::{Cap, CapSet};
use capos_services_demo::narrator::{Narrator, Wrong, equal};

/// What can be done with what is lent.
const READ_ONLY: u64 = 1 << KeyValueStore::GET | 1 << KeyValueStore::COUNT;

pub(crate) fn main(capabilities: &CapSet) -> Result<ExitStatus, Wrong> {
    let narrator = Narrator::new("writer", capabilities)?;
    let keys: Cap<KeyValue> = capabilities.get("keys")?;
    let store = lend(&narrator, &keys)?;
    take_back(&narrator, &keys, &store)?;
    outlive(&narrator, &keys, &store)?;
    Ok(ExitStatus::exited(0))
}

/// Puts something into a store of its own, and lends it out.
fn lend(narrator: &Narrator, keys: &Cap<KeyValue>) -> Result<Cap<KeyValueStore>, Wrong> {
    let store = keys.open()?;
    equal("the status", store.put("greeting", b"hello")?, KeyValueStorePutStatus::Stored)?;
    narrator.say(format_args!("opens a store of its own and puts greeting = hello"))?;
    // Narrower than its own: the kernel lets nothing else through.
    let readable = store.derive(READ_ONLY)?;
    narrator.say(format_args!("lends a capability that can only read"))?;
    // Waits for the reader from now on: the service has this call before the next one.
    let seen = keys.begin_borrow("seen")?;
    keys.lend("letters", &readable)?;
    seen.wait()?;
    Ok(store)
}

/// Takes back what it lent, from whoever has it by now.
fn take_back(narrator: &Narrator, keys: &Cap<KeyValue>, store: &Cap<KeyValueStore>) -> Result<(), Wrong> {
    // Everything that came from it ends, in every process. It goes on itself.
    store.revoke()?;
    check_greeting(store)?;
    narrator.say(format_args!("takes back what it lent; its own capability still reads greeting = hello"))?;
    let done = keys.begin_borrow("done")?;
    keys.lend("taken back", &store.derive(READ_ONLY)?)?;
    done.wait()?;
    Ok(())
}

/// Ends the service, and goes on with the next instance.
fn outlive(narrator: &Narrator, keys: &Cap<KeyValue>, store: &Cap<KeyValueStore>) -> Result<(), Wrong> {
    narrator.refused("stops the service in the middle of a call", keys.stop(), Transport::Disconnected)?;
    // Waits until init has started the next instance: the same capability, and nothing to be done about it.
    let new = keys.open()?;
    equal("the number of keys", new.count()?, 0)?;
    equal("the number of calls", keys.calls()?, 3)?;
    narrator
        .say(format_args!("reaches the next instance through the same capability; its store is empty"))?;
    let mut value = [0; 16];
    let gone = store.get("greeting", &mut value);
    narrator.refused("the store of the first instance is gone for good", gone, Transport::Disconnected)
}

fn check_greeting(store: &Cap<KeyValueStore>) -> Result<(), Wrong> {
    let mut value = [0; 16];
    let reply = store.get("greeting", &mut value)?;
    equal("the greeting", &value[..reply.value], b"hello")
}
