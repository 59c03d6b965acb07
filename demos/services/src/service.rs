//! The service: a store for each client that opened one, and capabilities that one client leaves for another.
//!
//! Run by the program `key-value`; implements the generated stubs.
//!
//! Invariant: which store a call is about is what the kernel says, and never what the client says. Everything that clients
//! can make grow has a bound.

use alloc::string::String;
use alloc::vec::Vec;

use capos_rt::Cap;
use capos_rt::abi::error::Exception;
use capos_rt::abi::outcome::ExitStatus;
use capos_rt::process::exit;
use capos_rt::schema::key_value::KeyValue;
use capos_rt::schema::key_value_store::{KeyValueStore, KeyValueStoreGetResults, KeyValueStorePutStatus};
use capos_rt::server::{
    Answer, Call, Gifts, Given, Kept, KeyValueBorrow, KeyValueCalls, KeyValueLend, KeyValueOpen,
    KeyValueServer, KeyValueStop, KeyValueStoreCount, KeyValueStoreGet, KeyValueStorePut,
    KeyValueStoreRemove, KeyValueStoreServer, Server, Token, Unanswered,
};

use crate::store::{Store, owned};

/// Stores, capabilities that were left, and borrowers that wait: at most this many of each.
const MOST: usize = 32;

/// The service.
#[derive(Default)]
pub struct Service {
    /// Each store with the cookie of its object.
    stores: Vec<(u64, Store)>,
    /// The cookie of the last store.
    last: u64,
    /// What was lent and not borrowed.
    lent: Vec<(String, Cap<KeyValueStore>)>,
    /// Who wants to borrow what.
    waiting: Vec<(String, Kept<KeyValueBorrow>)>,
    calls: u64,
}

impl Server for Service {
    type Interfaces = (KeyValue, KeyValueStore);

    /// Nobody can ask for this store any more.
    fn unreferenced(&mut self, cookie: u64, _: u64) {
        self.stores.retain(|(other, _)| *other != cookie);
    }

    /// Somebody that waited is gone.
    fn abandoned(&mut self, token: Token) {
        if let Some(place) = self.waiting.iter().position(|(_, kept)| kept.token() == token) {
            self.waiting.swap_remove(place).1.forget();
        }
    }
}

impl KeyValueServer for Service {
    fn open(&mut self, mut call: Call<'_, KeyValueOpen>) -> Answer<Given<KeyValueStore>> {
        self.calls += 1;
        room(&mut self.stores)?;
        self.last += 1;
        self.stores.push((self.last, Store::default()));
        Ok(call.mint(self.last, KeyValueStore::ALL_METHODS))
    }

    fn lend(&mut self, _: Call<'_, KeyValueLend>, name: &str, store: Cap<KeyValueStore>) -> Answer<()> {
        self.calls += 1;
        let name = owned(name)?;
        while let Some(place) = self.waiting.iter().position(|(wanted, _)| *wanted == name) {
            let (_, kept) = self.waiting.swap_remove(place);
            let mut gifts = Gifts::new();
            let given = gifts.copy(&store);
            // If this one has gone meanwhile, it is the next one's turn.
            if kept.answer_with(given, gifts).is_ok() {
                return Ok(());
            }
        }
        self.lent.retain(|(other, _)| *other != name);
        room(&mut self.lent)?;
        self.lent.push((name, store));
        Ok(())
    }

    fn borrow(&mut self, mut call: Call<'_, KeyValueBorrow>, name: &str) -> Answer<Given<KeyValueStore>> {
        self.calls += 1;
        if let Some(place) = self.lent.iter().position(|(other, _)| other == name) {
            let (_, store) = self.lent.swap_remove(place);
            return Ok(call.give(store));
        }
        let name = owned(name)?;
        room(&mut self.waiting)?;
        self.waiting.push((name, call.keep()));
        Err(Unanswered::Later)
    }

    fn calls(&mut self, _: Call<'_, KeyValueCalls>) -> Answer<u64> {
        self.calls += 1;
        Ok(self.calls)
    }

    fn stop(&mut self, _: Call<'_, KeyValueStop>) -> Answer<()> {
        exit(ExitStatus::exited(1))
    }
}

impl KeyValueStoreServer for Service {
    fn get<'s>(
        &'s mut self,
        call: Call<'_, KeyValueStoreGet>,
        key: &'s str,
    ) -> Answer<KeyValueStoreGetResults<'s>> {
        let value = self.store(call.cookie())?.get(key);
        Ok(KeyValueStoreGetResults { found: value.is_some(), value: value.unwrap_or_default() })
    }

    fn put(
        &mut self,
        call: Call<'_, KeyValueStorePut>,
        key: &str,
        value: &[u8],
    ) -> Answer<KeyValueStorePutStatus> {
        Ok(self.store(call.cookie())?.put(key, value)?)
    }

    fn remove(&mut self, call: Call<'_, KeyValueStoreRemove>, key: &str) -> Answer<bool> {
        Ok(self.store(call.cookie())?.remove(key))
    }

    fn count(&mut self, call: Call<'_, KeyValueStoreCount>) -> Answer<u32> {
        Ok(self.store(call.cookie())?.count())
    }
}

impl Service {
    /// The store of the object that is called.
    fn store(&mut self, cookie: u64) -> Result<&mut Store, Exception> {
        self.calls += 1;
        let found = self.stores.iter_mut().find(|(other, _)| *other == cookie);
        found.map(|(_, store)| store).ok_or(Exception::Failed)
    }
}

/// Room for one more.
fn room<T>(list: &mut Vec<T>) -> Result<(), Exception> {
    if list.len() == MOST || list.try_reserve(1).is_err() {
        return Err(Exception::Overloaded);
    }
    Ok(())
}
