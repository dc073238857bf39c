//! A light client's path as bytes.

use alloy_primitives::{B256, Bytes, FixedBytes};

use crate::light_client::{
    Absent, BeaconHeader, Begin, Branch, CommitteeSummary, Path, Signed, Step, Tip,
};
use crate::receipt::codec::{Reader, Writer};
use crate::receipt::fault::FormatFault;

type Read<T> = Result<T, FormatFault>;

/// A leaf of no tree of the protocol stands deeper.
const LONGEST_BRANCH: usize = 64;
/// Some three years of periods: without their signatures alone as long as a receipt may be.
const MOST_STEPS: usize = 1_024;
const LONGEST_BITS: usize = 1_024;
const MOST_ABSENT: usize = 4_096;

pub(super) fn write(writer: &mut Writer, path: &Path) {
    let Path { begin, steps, tip } = path;
    header(writer, &begin.header);
    committee(writer, &begin.committee);
    branch(writer, &begin.branch);
    writer.list(steps.iter(), |writer, step| {
        header(writer, &step.attested);
        header(writer, &step.finalized);
        branch(writer, &step.finality_branch);
        committee(writer, &step.next);
        branch(writer, &step.next_branch);
        signed(writer, &step.signed);
    });
    header(writer, &tip.attested);
    writer.kind(u8::from(tip.finality.is_some()));
    if let Some((finalized, leads)) = &tip.finality {
        header(writer, finalized);
        branch(writer, leads);
    }
    writer.fixed(tip.execution);
    branch(writer, &tip.execution_branch);
    signed(writer, &tip.signed);
}

pub(super) fn read(reader: &mut Reader<'_>) -> Read<Path> {
    let begin = Begin {
        header: read_header(reader)?,
        committee: read_committee(reader)?,
        branch: read_branch(reader)?,
    };
    let steps = reader.list(("periods", MOST_STEPS), |reader| {
        Ok(Step {
            attested: read_header(reader)?,
            finalized: read_header(reader)?,
            finality_branch: read_branch(reader)?,
            next: read_committee(reader)?,
            next_branch: read_branch(reader)?,
            signed: read_signed(reader)?,
        })
    })?;
    let attested = read_header(reader)?;
    let finality = match reader.kind()? {
        0 => None,
        1 => Some((read_header(reader)?, read_branch(reader)?)),
        _ => return Err(FormatFault::Field { what: "finality" }),
    };
    let tip = Tip {
        attested,
        finality,
        execution: hash(reader)?,
        execution_branch: read_branch(reader)?,
        signed: read_signed(reader)?,
    };
    Ok(Path { begin, steps, tip })
}

fn header(writer: &mut Writer, it: &BeaconHeader) {
    writer.number(it.slot);
    writer.number(it.proposer_index);
    for root in [it.parent_root, it.state_root, it.body_root] {
        writer.fixed(root);
    }
}

fn read_header(reader: &mut Reader<'_>) -> Read<BeaconHeader> {
    Ok(BeaconHeader {
        slot: reader.number()?,
        proposer_index: reader.number()?,
        parent_root: hash(reader)?,
        state_root: hash(reader)?,
        body_root: hash(reader)?,
    })
}

fn committee(writer: &mut Writer, it: &CommitteeSummary) {
    writer.fixed(it.keys);
    writer.fixed(it.sum);
}

fn read_committee(reader: &mut Reader<'_>) -> Read<CommitteeSummary> {
    Ok(CommitteeSummary { keys: hash(reader)?, sum: FixedBytes(reader.fixed()?) })
}

fn branch(writer: &mut Writer, it: &Branch) {
    writer.list(it.iter(), |writer, node| writer.fixed(node));
}

fn read_branch(reader: &mut Reader<'_>) -> Read<Branch> {
    reader.list(("hashes in a branch", LONGEST_BRANCH), hash)
}

fn signed(writer: &mut Writer, it: &Signed) {
    writer.number(it.slot);
    writer.bytes(&it.bits);
    writer.fixed(it.signature);
    writer.list(it.absent.iter(), |writer, it| {
        writer.fixed(it.key);
        branch(writer, &it.branch);
    });
}

fn read_signed(reader: &mut Reader<'_>) -> Read<Signed> {
    Ok(Signed {
        slot: reader.number()?,
        bits: Bytes::copy_from_slice(reader.bytes("participation bits", LONGEST_BITS)?),
        signature: FixedBytes(reader.fixed()?),
        absent: reader.list(("absent members", MOST_ABSENT), |reader| {
            Ok(Absent { key: FixedBytes(reader.fixed()?), branch: read_branch(reader)? })
        })?,
    })
}

fn hash(reader: &mut Reader<'_>) -> Read<B256> {
    reader.fixed().map(B256::from)
}
