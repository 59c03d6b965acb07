//! What the reader does, step by step; it and the writer wait for each other through the service.
//!
//! Called by `main`. Invariant: before it waits, it has said what it did.

use capos_rt::abi::error::Transport;
use capos_rt::abi::outcome::ExitStatus;
use capos_rt::schema::key_value::KeyValue;
use capos_rt::schema::key_value_store::KeyValueStore;
use capos_rt::{Cap, CapSet, CapSetError};
use capos_services_demo::narrator::{Narrator, Wrong, equal};

pub(crate) fn main(capabilities: &CapSet) -> Result<ExitStatus, Wrong> {
    let narrator = Narrator::new("reader", capabilities)?;
    let keys: Cap<KeyValue> = capabilities.get("keys")?;
    // Waits until the writer has lent it.
    let letters = keys.borrow("letters")?;
    let mut value = [0; 16];
    let reply = letters.get("greeting", &mut value)?;
    equal("the greeting", &value[..reply.value], b"hello")?;
    narrator.say(format_args!("borrows it and reads greeting = hello"))?;
    try_more(&narrator, capabilities, &keys, &letters)?;
    keys.lend("seen", &letters)?;
    let last = keys.borrow("taken back")?;
    let late = letters.get("greeting", &mut value);
    narrator.refused("can read no more", late, Transport::Revoked)?;
    keys.lend("done", &last)?;
    Ok(ExitStatus::exited(0))
}

/// Tries what it may not do. The service counts its calls: of these it sees none.
fn try_more(
    narrator: &Narrator,
    capabilities: &CapSet,
    keys: &Cap<KeyValue>,
    letters: &Cap<KeyValueStore>,
) -> Result<(), Wrong> {
    let own = keys.open()?;
    equal("the number of keys", own.count()?, 0)?;
    narrator.say(format_args!("opens a store of its own: nothing of the writer's is in it"))?;
    let before = keys.calls()?;
    narrator.refused("may not put", letters.put("greeting", b"bye"), Transport::MethodDenied)?;
    narrator.refused("may not stop the service", keys.stop(), Transport::MethodDenied)?;
    equal("the number of calls", keys.calls()?, before + 1)?;
    narrator.say(format_args!("the service saw neither of these calls"))?;
    match capabilities.get::<KeyValue>("other keys") {
        Err(CapSetError::Missing) => {
            narrator.say(format_args!("holds no other service: {}", CapSetError::Missing))
        }
        _ => Err(Wrong::Different("what it holds")),
    }
}
