//! From a pickle to a value: a machine that knows the instructions which write values, and no others.
//!
//! Nothing is looked up and nothing is called: a class on the list of [`Class`] is a mark on the stack, and what is made of
//! it is made here. Values lie in an arena, since a pickle may refer to a list before it is filled; at the end they are
//! taken out as a tree, and whatever holds itself or multiplies beyond bounds is refused there.

use std::collections::HashMap;

use num_bigint::BigInt;

use super::{
    MAX_DEPTH, MAX_INTEGER, MAX_VALUES, Unpicklable,
    value::{Moment, Text, Uuid, Value, Zone},
};

mod make;
mod text;

use self::make::Class;

type Id = usize;

/// What lies in the arena.
#[derive(Clone, Debug)]
enum Node {
    /// A value with nothing inside.
    Leaf(Value),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Set(Vec<Id>),
    FrozenSet(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Class(Class),
    /// A UUID that its state is still to be given to.
    EmptyUuid,
}

impl Node {
    /// About how many bytes it takes beside its place in the arena.
    fn weight(&self) -> usize {
        match self {
            Node::Leaf(value) => weight(value),
            Node::List(items) | Node::Tuple(items) | Node::Set(items) | Node::FrozenSet(items) => {
                8 * items.len()
            }
            Node::Dict(entries) => 16 * entries.len(),
            Node::Class(_) | Node::EmptyUuid => 1,
        }
    }
}

fn weight(leaf: &Value) -> usize {
    let zone = |zone: &Zone| zone.name().map_or(1, |name| name.0.len());
    match leaf {
        Value::Text(Text(text)) | Value::Decimal(Text(text)) => text.len(),
        Value::Bytes(bytes) | Value::ByteArray(bytes) => bytes.len(),
        Value::DateTime(Moment { zone: Some(its), .. })
        | Value::Time(Moment { zone: Some(its), .. })
        | Value::TimeZone(its) => zone(its),
        _ => 1,
    }
}

/// The session in a pickle.
pub(super) fn session(bytes: &[u8], most: usize) -> Result<Value, Unpicklable> {
    if bytes.len() > most {
        return Err(Unpicklable::TooLarge);
    }
    let mut machine = Machine::new(bytes);
    let root = machine.run()?;
    let mut taken =
        Taken { arena: &machine.arena, values: 0, bytes: 0, most: most.saturating_mul(6) };
    match taken.value(root, 0)? {
        session @ Value::Dict(_) => Ok(session),
        _ => Err(Unpicklable::NoSession),
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    arena: Vec<Node>,
    stack: Vec<Id>,
    /// Heights of the stack at its marks.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    /// What calls have copied, in bytes.
    copied: usize,
}

impl<'a> Machine<'a> {
    fn new(bytes: &'a [u8]) -> Machine<'a> {
        Machine {
            bytes,
            at: 0,
            arena: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            copied: 0,
        }
    }

    fn run(&mut self) -> Result<Id, Unpicklable> {
        loop {
            let instruction = self.byte()?;
            match instruction {
                b'.' => return self.pop(),
                0x80 => self.protocol()?,
                // The frames of protocol 4 tell a reader of files how much to read; we have it all.
                0x95 => drop(self.take(8)?),
                b'(' => self.marks.push(self.stack.len()),
                b'}' | b']' | b')' | 0x8f => self.push_empty(instruction)?,
                b'N' | 0x88 | 0x89 | b'K' | b'M' | b'J' | 0x8a | 0x8b | b'G' => {
                    self.push_number(instruction)?;
                }
                b'X' | 0x8c | 0x8d | b'B' | b'C' | 0x8e | 0x96 => self.push_text(instruction)?,
                b's' | b'u' | b'a' | b'e' | 0x90 => self.fill(instruction)?,
                b't' | 0x85..=0x87 | 0x91 => self.gather(instruction)?,
                b'q' | b'r' | 0x94 | b'h' | b'j' => self.remember(instruction)?,
                b'c' | 0x93 => self.name_class(instruction)?,
                b'R' | 0x81 | b'b' => self.make(instruction)?,
                other => return Err(Unpicklable::Instruction(other)),
            }
        }
    }

    fn protocol(&mut self) -> Result<(), Unpicklable> {
        match self.byte()? {
            2..=5 => Ok(()),
            _ => Err(Unpicklable::Malformed("a protocol that is not from 2 to 5")),
        }
    }

    fn push_empty(&mut self, instruction: u8) -> Result<(), Unpicklable> {
        self.push(match instruction {
            b'}' => Node::Dict(Vec::new()),
            b']' => Node::List(Vec::new()),
            b')' => Node::Tuple(Vec::new()),
            _ => Node::Set(Vec::new()),
        })
    }

    fn push_number(&mut self, instruction: u8) -> Result<(), Unpicklable> {
        let value = match instruction {
            b'N' => Value::None,
            0x88 | 0x89 => Value::Bool(instruction == 0x88),
            b'K' => Value::Int(self.byte()?.into()),
            b'M' => Value::Int(u16::from_le_bytes(self.array()?).into()),
            b'J' => Value::Int(i32::from_le_bytes(self.array()?).into()),
            b'G' => Value::Float(f64::from_be_bytes(self.array()?)),
            0x8a => self.integer(1)?,
            _ => self.integer(4)?,
        };
        self.push(Node::Leaf(value))
    }

    fn integer(&mut self, width: usize) -> Result<Value, Unpicklable> {
        let bytes = self.sized(width)?;
        if bytes.len() > MAX_INTEGER {
            return Err(Unpicklable::TooLarge);
        }
        Ok(Value::Int(BigInt::from_signed_bytes_le(bytes)))
    }

    fn push_text(&mut self, instruction: u8) -> Result<(), Unpicklable> {
        let width = match instruction {
            0x8c | b'C' => 1,
            b'X' | b'B' => 4,
            _ => 8,
        };
        let bytes = self.sized(width)?;
        self.push(Node::Leaf(match instruction {
            b'X' | 0x8c | 0x8d => Value::Text(text::read(bytes)?),
            0x96 => Value::ByteArray(bytes.to_vec()),
            _ => Value::Bytes(bytes.to_vec()),
        }))
    }

    /// Puts what lies on top of a container into it.
    fn fill(&mut self, instruction: u8) -> Result<(), Unpicklable> {
        let items = match instruction {
            b's' => self.top(2)?,
            b'a' => self.top(1)?,
            _ => self.above_mark()?,
        };
        let container = self.pop()?;
        self.stack.push(container);
        match (instruction, self.arena.get_mut(container)) {
            (b's' | b'u', Some(Node::Dict(entries))) => {
                let (pairs, []) = items.as_chunks::<2>() else {
                    return Err(Unpicklable::Malformed("a key without a value"));
                };
                entries.extend(pairs.iter().map(|&[key, value]| (key, value)));
            }
            (b'a' | b'e', Some(Node::List(list))) => list.extend(items),
            (0x90, Some(Node::Set(set))) => set.extend(items),
            _ => return Err(Unpicklable::Malformed("something put where it does not belong")),
        }
        Ok(())
    }

    /// Makes a tuple, or a frozen set, of what lies on top.
    fn gather(&mut self, instruction: u8) -> Result<(), Unpicklable> {
        let items = match instruction {
            0x85..=0x87 => self.top(usize::from(instruction - 0x84))?,
            _ => self.above_mark()?,
        };
        self.push(if instruction == 0x91 { Node::FrozenSet(items) } else { Node::Tuple(items) })
    }

    fn remember(&mut self, instruction: u8) -> Result<(), Unpicklable> {
        let name = match instruction {
            b'q' | b'h' => u32::from(self.byte()?),
            b'r' | b'j' => u32::from_le_bytes(self.array()?),
            _ => u32::try_from(self.memo.len()).unwrap_or(u32::MAX),
        };
        if matches!(instruction, b'h' | b'j') {
            let known = self.memo.get(&name);
            let &id = known.ok_or(Unpicklable::Malformed("something nobody noted"))?;
            self.stack.push(id);
            return self.keep_to_bounds();
        }
        let &id = self.stack.last().ok_or(Unpicklable::Malformed("an empty stack"))?;
        self.memo.insert(name, id);
        Ok(())
    }

    fn name_class(&mut self, instruction: u8) -> Result<(), Unpicklable> {
        let (module, name) = if instruction == b'c' {
            (self.line()?, self.line()?)
        } else {
            let [name, module] = [self.pop()?, self.pop()?];
            (self.plain_text(module)?, self.plain_text(name)?)
        };
        let class = Class::named(&module, &name)?;
        self.push(Node::Class(class))
    }

    fn make(&mut self, instruction: u8) -> Result<(), Unpicklable> {
        let [arguments, made_of] = [self.pop()?, self.pop()?];
        if instruction == b'b' {
            let uuid = self.uuid_of(arguments)?;
            let Some(Node::EmptyUuid) = self.arena.get(made_of) else {
                return Err(Unpicklable::Malformed("a state for something that has none"));
            };
            if let Some(node) = self.arena.get_mut(made_of) {
                *node = Node::Leaf(Value::Uuid(uuid));
            }
            self.stack.push(made_of);
            return Ok(());
        }
        let Some(&Node::Class(class)) = self.arena.get(made_of) else {
            return Err(Unpicklable::Malformed("a call of something that is not a class"));
        };
        let made = self.made(class, arguments, instruction == 0x81)?;
        // What is noted once may be copied by every call: that is where a small pickle could grow.
        self.copied += made.weight();
        if self.copied > 16 * (self.bytes.len() + 256) {
            return Err(Unpicklable::TooLarge);
        }
        self.push(made)
    }

    /// What a UUID is remembered by: a `dict` with its number.
    fn uuid_of(&self, state: Id) -> Result<Uuid, Unpicklable> {
        const WRONG: Unpicklable = Unpicklable::Malformed("a state that no UUID has");
        let Some(Node::Dict(entries)) = self.arena.get(state) else { return Err(WRONG) };
        let (mut number, mut is_safe) = (None, None);
        for &(name, value) in entries {
            let Some(Node::Leaf(Value::Int(value))) = self.arena.get(value) else {
                return Err(WRONG);
            };
            match &*self.plain_text(name)? {
                "int" => number = u128::try_from(value).ok(),
                "is_safe" => is_safe = Some(i8::try_from(value).map_err(|_| WRONG)?),
                _ => return Err(WRONG),
            }
        }
        Ok(Uuid { number: number.ok_or(WRONG)?, is_safe })
    }

    fn plain_text(&self, id: Id) -> Result<String, Unpicklable> {
        match self.arena.get(id) {
            Some(Node::Leaf(Value::Text(Text(text)))) => Ok(text.to_string()),
            _ => Err(Unpicklable::Malformed("a name that is not text")),
        }
    }

    fn push(&mut self, node: Node) -> Result<(), Unpicklable> {
        self.stack.push(self.arena.len());
        self.arena.push(node);
        self.keep_to_bounds()
    }

    fn keep_to_bounds(&self) -> Result<(), Unpicklable> {
        let fits = self.arena.len().max(self.stack.len()) <= MAX_VALUES;
        if fits { Ok(()) } else { Err(Unpicklable::TooLarge) }
    }

    /// The height of the stack below which the instruction may not reach: what is under a mark is out of bounds.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or_default()
    }

    fn pop(&mut self) -> Result<Id, Unpicklable> {
        let within = self.stack.len() > self.floor();
        let popped = if within { self.stack.pop() } else { None };
        popped.ok_or(Unpicklable::Malformed("an empty stack"))
    }

    fn top(&mut self, count: usize) -> Result<Vec<Id>, Unpicklable> {
        let from = self.stack.len().checked_sub(count).filter(|from| *from >= self.floor());
        let from = from.ok_or(Unpicklable::Malformed("an empty stack"))?;
        Ok(self.stack.split_off(from))
    }

    fn above_mark(&mut self) -> Result<Vec<Id>, Unpicklable> {
        let from = self.marks.pop().ok_or(Unpicklable::Malformed("no mark"))?;
        // A mark is never above the stack: nothing reaches below it.
        Ok(self.stack.split_off(from.min(self.stack.len())))
    }

    fn byte(&mut self) -> Result<u8, Unpicklable> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unpicklable> {
        self.take(N)?.try_into().map_err(|_| Unpicklable::CutOff)
    }

    /// Bytes after their length, which is written with `width` bytes.
    fn sized(&mut self, width: usize) -> Result<&'a [u8], Unpicklable> {
        let mut length = [0; 8];
        length.iter_mut().zip(self.take(width)?).for_each(|(to, from)| *to = *from);
        let length = usize::try_from(u64::from_le_bytes(length));
        self.take(length.map_err(|_| Unpicklable::CutOff)?)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Unpicklable> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..count).ok_or(Unpicklable::CutOff)?;
        self.at += count;
        Ok(taken)
    }

    fn line(&mut self) -> Result<String, Unpicklable> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or(Unpicklable::CutOff)?;
        let line = self.take(end)?;
        self.take(1)?;
        Ok(String::from_utf8_lossy(line).into_owned())
    }
}

/// Takes values out of the arena, and counts.
struct Taken<'a> {
    arena: &'a [Node],
    values: usize,
    bytes: usize,
    most: usize,
}

impl Taken<'_> {
    fn value(&mut self, id: Id, depth: usize) -> Result<Value, Unpicklable> {
        if depth > MAX_DEPTH {
            return Err(Unpicklable::TooDeep);
        }
        let node = self.arena.get(id).ok_or(Unpicklable::Malformed("a value that is not there"))?;
        self.count(node)?;
        Ok(match node {
            Node::Leaf(value) => value.clone(),
            Node::List(items) => Value::List(self.values(items, depth)?),
            Node::Tuple(items) => Value::Tuple(self.values(items, depth)?),
            Node::Set(items) => Value::Set(self.values(items, depth)?),
            Node::FrozenSet(items) => Value::FrozenSet(self.values(items, depth)?),
            Node::Dict(entries) => {
                let entry = |&(key, value): &(Id, Id)| {
                    Ok((self.value(key, depth + 1)?, self.value(value, depth + 1)?))
                };
                Value::Dict(entries.iter().map(entry).collect::<Result<_, Unpicklable>>()?)
            }
            Node::Class(class) => return Err(Unpicklable::Class(class.name().to_owned())),
            Node::EmptyUuid => return Err(Unpicklable::Malformed("a UUID without a number")),
        })
    }

    fn values(&mut self, items: &[Id], depth: usize) -> Result<Vec<Value>, Unpicklable> {
        items.iter().map(|id| self.value(*id, depth + 1)).collect()
    }

    /// A text that is referred to a thousand times is a thousand texts once it is unpacked.
    fn count(&mut self, node: &Node) -> Result<(), Unpicklable> {
        self.values += 1;
        if let Node::Leaf(value) = node {
            self.bytes += weight(value);
        }
        let fits = self.values <= MAX_VALUES && self.bytes <= self.most;
        if fits { Ok(()) } else { Err(Unpicklable::TooLarge) }
    }
}
