import type { ClientBase } from 'pg'

/** Drops the CHECKs that bound how large a row and a block are, as an owner may; and older rows are older than they. */
export async function withoutBounds(owner: ClientBase): Promise<void> {
  await owner.query(`
    alter table noetl.secret_audit drop constraint secret_audit_sizes;
    alter table noetl.secret_audit_block drop constraint secret_audit_block_sizes`)
}
