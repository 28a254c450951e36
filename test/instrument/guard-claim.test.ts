import { describe, expect, it } from 'vitest'
import { Operation, Outcome } from '../../src/event/vocabulary.js'
import { audited } from '../../src/instrument/access.js'
import { said, type Watched, watched } from './watched.js'

const GUARDED = { credential: 'orders', operation: Operation.ResolveKeychain } as const

function fetchSecret(
  scene: Watched,
  credential: string,
  failure?: Error,
  until?: Promise<void>,
): Promise<string> {
  return audited(scene.watch, scene.watch.coverage.copy('a-client', '1.0.0'), {
    describe: () => ({ provider: 'vault', api: 'GET', operation: Operation.GetCredential, credential }),
    async call() {
      await until
      if (failure !== undefined) throw failure
      return 'hunter2-canary'
    },
    rows: () => [{ outcome: Outcome.Ok, attributes: { version: '7', request_id: 'r-1' } }],
    failure: () => ({ outcome: Outcome.AccessDenied }),
  })
}

describe('an access inside of a guard', () => {
  it('that is the only one: the row is the guard’s, and says what is known of the access', async () => {
    const scene = watched({ strict: true })
    await scene.service.guard(GUARDED, () => fetchSecret(scene, 'secret/orders'))
    expect((await scene.rows()).map(said)).toEqual([
      {
        credential: 'orders',
        operation: 'resolve_keychain',
        outcome: 'ok',
        accessed: 'secret/orders',
        provider: 'vault',
        api: 'GET',
        seen: 'client',
        version: '7',
        request_id: 'r-1',
      },
    ])
  })

  it('that is one of several: each has its row, and names the guard', async () => {
    const scene = watched({ strict: true })
    await scene.service.guard(GUARDED, async () => {
      await fetchSecret(scene, 'secret/a')
      return fetchSecret(scene, 'secret/b')
    })
    const rows = await scene.rows()
    const guard = rows.find(({ credential }) => credential === 'orders')
    const inner = rows.filter(({ credential }) => credential !== 'orders').map(said)
    const inside = String(guard?.auditId)
    expect(inner).toMatchObject([
      { credential: 'secret/a', inside },
      { credential: 'secret/b', inside },
    ])
    expect(rows).toHaveLength(3)
  })

  it('that is denied: the guard’s row says why, unless the guard knows better', async () => {
    const scene = watched()
    const no = new Error('no')
    await expect(scene.service.guard(GUARDED, () => fetchSecret(scene, 'x', no))).rejects.toBe(no)
    const outcomeOf = (): Outcome => Outcome.WrongRegion
    await expect(scene.service.guard(GUARDED, () => fetchSecret(scene, 'x', no), { outcomeOf })).rejects.toBe(
      no,
    )
    expect((await scene.rows()).map(said)).toMatchObject([
      { outcome: 'access_denied', accessed: 'x' },
      { outcome: 'wrong_region', accessed: 'x' },
    ])
  })

  it('that ends otherwise than the guard has a row of its own', async () => {
    const scene = watched()
    await scene.service.guard(GUARDED, () =>
      fetchSecret(scene, 'x', new Error('no')).catch(() => 'a default'),
    )
    await expect(
      scene.service.guard(GUARDED, async () => {
        await fetchSecret(scene, 'y')
        throw new Error('what came was not understood')
      }),
    ).rejects.toThrow('not understood')
    expect((await scene.rows()).map(({ credential, outcome }) => `${credential} ${outcome}`).sort()).toEqual([
      'orders ok',
      'orders other',
      'x access_denied',
      'y ok',
    ])
  })

  it('that goes on after it has a row of its own', async () => {
    const scene = watched()
    let later: Promise<unknown> = Promise.resolve()
    await scene.service.guard(GUARDED, async () => {
      later = new Promise((resolve) => setTimeout(resolve, 1)).then(() => fetchSecret(scene, 'late'))
    })
    await later
    expect((await scene.rows()).map(({ credential }) => credential).sort()).toEqual(['late', 'orders'])
  })

  it('that another one follows, which has not ended with the guard: each has its row', async () => {
    const scene = watched()
    let end = (): void => undefined
    const waiting = new Promise<void>((resolve) => {
      end = resolve
    })
    let later: Promise<unknown> = Promise.resolve()
    await scene.service.guard(GUARDED, async () => {
      await fetchSecret(scene, 'first')
      later = fetchSecret(scene, 'second', undefined, waiting)
    })
    expect((await scene.rows()).map(({ credential }) => credential).sort()).toEqual(['first', 'orders'])
    end()
    await later
    expect(await scene.rows()).toHaveLength(3)
  })

  it('is released to nobody when its row cannot be stored', async () => {
    const scene = watched({ strict: true })
    scene.isDown = true
    await expect(scene.service.guard(GUARDED, () => fetchSecret(scene, 'x'))).rejects.toMatchObject({
      code: 'AUDIT_UNAVAILABLE',
    })
    const reached: string[] = []
    const two = scene.service.guard(GUARDED, async () => {
      reached.push(await fetchSecret(scene, 'a'))
      reached.push(await fetchSecret(scene, 'b'))
    })
    await expect(two).rejects.toMatchObject({ code: 'AUDIT_UNAVAILABLE' })
    expect(reached).toHaveLength(1)
  })
})
