import { describe, expect, it } from 'vitest'
import { AuditError } from '../../src/errors.js'
import { Operation, Outcome } from '../../src/event/vocabulary.js'
import { type AuditedCall, audited } from '../../src/instrument/access.js'
import { claiming, ownWork } from '../../src/instrument/claim.js'
import type { Access, AccessRow } from '../../src/instrument/open-access.js'
import { said, type Watched, watched } from './watched.js'

const SECRET = 'hunter2-canary'

interface Answer {
  readonly value: string
  readonly version: string
}

const access = (credential: string, more: Partial<Access> = {}): Access => ({
  provider: 'vault',
  api: 'GET',
  operation: Operation.GetCredential,
  credential,
  ...more,
})

const rows = ({ version }: Answer): readonly AccessRow[] => [{ outcome: Outcome.Ok, attributes: { version } }]

/** A call of a client that answers at once. */
function call(scene: Watched, of: Access, more: Partial<AuditedCall<Answer>> = {}): Promise<Answer> {
  return audited(scene.watch, scene.watch.coverage.copy('a-client', '1.0.0'), {
    describe: () => of,
    call: async () => ({ value: SECRET, version: '7' }),
    rows,
    failure: () => ({ outcome: Outcome.AccessDenied }),
    ...more,
  })
}

const denied = (): Promise<Answer> => Promise.reject(new Error('the provider says no'))

describe('an access of a client', () => {
  it('is one row of named fields, and the caller gets the answer', async () => {
    const scene = watched()
    expect(await call(scene, access('secret/db'))).toEqual({ value: SECRET, version: '7' })
    const [row, ...more] = await scene.rows()
    expect(more).toEqual([])
    expect(row).toMatchObject({ actorType: 'service', actorId: null })
    expect(row && said(row)).toEqual({
      credential: 'secret/db',
      operation: 'get_credential',
      outcome: 'ok',
      provider: 'vault',
      api: 'GET',
      seen: 'client',
      version: '7',
    })
    expect(scene.watch.coverage.accesses()).toEqual({ client: 1, wire: 0, observed: 0, claimed: 0 })
  })

  it('is held until its row is committed, and withheld when it cannot be', async () => {
    const scene = watched({ strict: true })
    await call(scene, access('secret/db'))
    scene.isDown = true
    await expect(call(scene, access('secret/db'))).rejects.toMatchObject({ code: 'AUDIT_UNAVAILABLE' })
    scene.isDown = false
    await expect(call(scene, access('secret/db'))).resolves.toMatchObject({ value: SECRET })
  })

  it('that is denied stays denied, also when its record fails', async () => {
    const scene = watched({ strict: true })
    await expect(call(scene, access('secret/db'), { call: denied })).rejects.toThrow('the provider says no')
    expect((await scene.rows()).map(said)).toMatchObject([{ outcome: 'access_denied' }])
    scene.isDown = true
    const error = await call(scene, access('secret/db'), { call: denied }).catch((e: unknown) => e)
    expect(error).toMatchObject({ message: 'the provider says no' })
    expect((error as { auditError?: unknown }).auditError).toBeInstanceOf(AuditError)
  })

  it('that turns out to be none makes no row', async () => {
    const scene = watched()
    await call(scene, access('plain'), { rows: () => [] })
    await call(scene, access('plain'), { describe: () => undefined })
    expect(await scene.rows()).toEqual([])
  })

  it('of a batch is a row for each, in one write', async () => {
    const scene = watched({ strict: true })
    const names = ['a', 'b', 'c']
    await call(scene, access('batch', { batch: names }), {
      rows: () => names.map((credential) => ({ credential, outcome: Outcome.Ok })),
    })
    expect((await scene.rows()).map(({ credential }) => credential)).toEqual(names)
    await expect(call(scene, access('batch', { batch: names }), { call: denied })).rejects.toThrow('says no')
    expect(
      (await scene.rows()).slice(3).map(({ credential, outcome }) => `${credential} ${outcome}`),
    ).toEqual(names.map((name) => `${name} access_denied`))
  })

  it('whose caller gives up is released to nobody, and recorded', async () => {
    const scene = watched({ strict: true })
    const given = new AbortController()
    const waiting = call(scene, access('secret/db'), {
      signal: given.signal,
      rows: (answer) => {
        given.abort(new Error('enough'))
        return rows(answer)
      },
    })
    await expect(waiting).rejects.toThrow('enough')
    expect(await scene.rows()).toHaveLength(1)
  })
})

describe('a hook that throws', () => {
  const broken = (): never => {
    throw new Error('this version has no such field')
  }

  it('in its description: the client works on, and the coverage says so', async () => {
    const scene = watched()
    expect(await call(scene, access('x'), { describe: broken })).toMatchObject({ value: SECRET })
    expect(scene.watch.coverage.entries()).toMatchObject([
      {
        name: 'a-client',
        version: '1.0.0',
        state: 'not_hooked',
        reason: 'its description of a call threw: Error',
      },
    ])
  })

  it('says nothing of what was thrown but its name: the message may quote a secret, and so may the name', async () => {
    const scene = watched()
    const reasons: unknown[] = []
    scene.watch.coverage.onChange(({ reason }) => reasons.push(reason))
    const throwing = (error: unknown) => ({
      rows: () => {
        throw error
      },
    })
    await call(scene, access('x'), throwing(new TypeError(`no field in ${SECRET}`)))
    await call(scene, access('x'), throwing(Object.assign(new Error(), { name: SECRET })))
    await call(scene, access('x'), throwing(SECRET))
    expect(reasons).toEqual([
      'its reading of an answer threw: TypeError',
      'its reading of an answer threw: an error',
      'its reading of an answer threw: string',
    ])
  })

  it('in its reading: the access is recorded with what is known without', async () => {
    const scene = watched()
    await call(scene, access('x'), { rows: broken })
    await expect(call(scene, access('y'), { call: denied, failure: broken })).rejects.toThrow('says no')
    expect((await scene.rows()).map(said)).toMatchObject([
      { credential: 'x', outcome: 'ok' },
      { credential: 'y', outcome: 'other' },
    ])
  })
})

describe('an access inside another', () => {
  it('that is the same is not recorded again', async () => {
    const scene = watched()
    await call(scene, access('secret/db'), { call: () => call(scene, access('secret/db')) })
    expect(await scene.rows()).toHaveLength(1)
    expect(scene.watch.coverage.accesses()).toMatchObject({ client: 1, claimed: 1 })
  })

  it('that is another has a row of its own, which names the outer one', async () => {
    const scene = watched({ strict: true })
    await call(scene, access('orders', { provider: 'aws' }), {
      call: () => call(scene, access('aws/creds/app')),
    })
    const [outer, inner] = [...(await scene.rows())].sort((a, b) => (a.credential < b.credential ? 1 : -1))
    expect(outer?.credential).toBe('orders')
    expect(inner && said(inner)).toMatchObject({
      credential: 'aws/creds/app',
      inside: String(outer?.auditId),
    })
  })

  it('is not silenced by one that has ended, and left work behind', async () => {
    const scene = watched()
    let later: Promise<unknown> = Promise.resolve()
    await call(scene, access('secret/db'), {
      call: async () => {
        later = new Promise((resolve) => setTimeout(resolve, 1)).then(() => call(scene, access('secret/db')))
        return { value: SECRET, version: '1' }
      },
    })
    await later
    const rows = (await scene.rows()).map(said)
    expect(rows).toHaveLength(2)
    expect(rows.filter((row) => 'inside' in row)).toEqual([])
  })

  it('of the pipeline itself is recorded async, and never waits', async () => {
    const scene = watched({ strict: true })
    scene.isDown = true
    await ownWork(() => call(scene, access('trail/password')))
    scene.isDown = false
    expect((await scene.rows()).map(said)).toMatchObject([{ credential: 'trail/password', own: true }])
  })

  it('of a probe is seen, and makes no row', async () => {
    const scene = watched()
    const seen: string[] = []
    const onProbe = (by: string): void => void seen.push(by)
    await claiming({ kind: 'probe', onProbe }, () => call(scene, access('probe')))
    expect(seen).toEqual(['client'])
    expect(await scene.rows()).toEqual([])
  })
})

it('the actor is whom the function names; baggage is only claimed', async () => {
  const scene = watched({}, { actor: () => 'person-7' })
  await call(scene, access('secret/db'))
  expect(await scene.rows()).toMatchObject([{ actorId: 'person-7', actorType: 'service' }])
})
