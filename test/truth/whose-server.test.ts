import { networkInterfaces } from 'node:os'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { entranceFindings, type Entrance, refuseStranger } from '../../src/postgres/server-proof.js'
import { openSession } from '../../src/postgres/session.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { writerLogin } from '../support/pipeline.js'
import { messageOf, WireProxy } from '../support/wire-proxy.js'

// Who answers. Whoever is on the path may let us in, and give receipts.

const entrance = (more: Partial<Entrance>): Entrance => ({
  isLocal: false,
  isVerified: false,
  asked: 'nothing',
  knowsPassword: false,
  hasPassword: true,
  ...more,
})

describe('over a network', () => {
  test.each<[string, Partial<Entrance>]>([
    ['that asks for nothing', {}],
    ['that begins SCRAM, and does not end it', { asked: 'scram' }],
  ])('a server %s, although there is a password, is refused', (_, more) => {
    expect(() => refuseStranger(entrance(more))).toThrow(expect.objectContaining({ code: 'AUDIT_SESSION' }))
  })

  test.each<[string, Partial<Entrance>]>([
    ['on this machine', { isLocal: true }],
    ['whose certificate is verified', { isVerified: true }],
    ['that has shown that it knows the password', { asked: 'scram', knowsPassword: true }],
  ])('a server %s is let pass, without a finding', (_, more) => {
    refuseStranger(entrance(more))
    expect(entranceFindings(entrance(more), true)).toEqual([])
  })

  test.each<[string, Partial<Entrance>]>([
    ['without a password', { hasPassword: false }],
    ['by a password in clear text', { asked: 'cleartext' }],
    ['by MD5', { asked: 'md5' }],
  ])('one that lets us in %s is a finding: an error in production', (_, more) => {
    refuseStranger(entrance(more))
    expect(entranceFindings(entrance(more), true)).toMatchObject([{ level: 'error', check: 'server' }])
    expect(entranceFindings(entrance(more), false)).toMatchObject([{ level: 'warning', check: 'server' }])
  })
})

/** An address of this machine that is not its loopback. */
const outer = Object.values(networkInterfaces())
  .flat()
  .find((address) => address?.internal === false && address.family === 'IPv4')?.address

describe('with a real server, at an address of the network', () => {
  let database: TestDatabase
  let proxy: WireProxy
  beforeAll(async () => {
    if (outer === undefined) throw new Error('this machine has no address of a network')
    database = await migratedDatabase()
    proxy = await WireProxy.start(database.url, outer)
  })
  afterAll(async () => {
    await proxy.close()
    await database.drop()
  })
  afterEach(() => proxy.calm())

  const open = (databaseUrl: string) =>
    openSession('write', {
      databaseUrl,
      applicationName: 'whose',
      answerTimeoutMs: 5000,
      synchronousCommit: 'on',
    })

  test('SCRAM to its end is enough', async () => {
    const session = await open(proxy.url(database.url))
    expect(session.entrance).toMatchObject({ isLocal: false, asked: 'scram', knowsPassword: true })
    expect(entranceFindings(session.entrance, true)).toEqual([])
    await session.close()
  })

  test('one that does not ask is refused before anything is sent, and gives no receipt', async () => {
    const login = await writerLogin(database.url) // The test server lets everybody in but the superuser.
    const asked: string[] = []
    proxy.request = ({ type, bytes }) => {
      asked.push(type)
      return [bytes]
    }
    await expect(open(proxy.url(login.url))).rejects.toMatchObject({ code: 'AUDIT_SESSION' })
    const sink = new PostgresAuditSink({ databaseUrl: proxy.url(login.url) })
    expect(await sink.write(batchOf(anEvent()))).toMatchObject({ status: 'failed', lasting: true })
    await sink.close()
    expect(asked.filter((type) => type === 'Q' || type === 'P')).toEqual([])
    await login.drop()
  })

  test.each([
    ['never says what it knows', () => []],
    ['lets us in at once', () => [messageOf('R', Buffer.from([0, 0, 0, 0]))]],
  ])('one that begins SCRAM, and %s, is refused', async (_, instead) => {
    // AuthenticationSASLFinal has the code 12.
    proxy.answer = ({ type, bytes }) => (type === 'R' && bytes.readInt32BE(5) === 12 ? instead() : [bytes])
    await expect(open(proxy.url(database.url))).rejects.toMatchObject({ code: 'AUDIT_SESSION' })
  })

  test('without a password it is a finding of the self-test', async () => {
    const login = await writerLogin(database.url)
    const url = new URL(proxy.url(login.url))
    url.password = ''
    const sink = new PostgresAuditSink({ databaseUrl: url.href })
    expect(await sink.check()).toMatchObject([{ level: 'warning', check: 'server' }])
    await sink.close()
    await login.drop()
  })
})
