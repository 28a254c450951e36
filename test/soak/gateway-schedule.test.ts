import { expect, test } from 'vitest'
import { type GatewayKill, gatewaySchedule } from '../../soak/gateway/schedule.js'
import { soakOptions } from '../../soak/options.js'

function killsOf(seed: number, count: number, withCollector = false): GatewayKill[] {
  const plan = gatewaySchedule(seed, withCollector)
  return Array.from({ length: count }, () => plan.next().value)
}

test('a seed has the same kills each time, and another one others', () => {
  expect(killsOf(7, 200)).toEqual(killsOf(7, 200))
  expect(killsOf(8, 200)).not.toEqual(killsOf(7, 200))
})

test('every ten kills have every kind, every twelve the collector too', () => {
  const kinds = (kills: readonly GatewayKill[]) => [...new Set(kills.map(({ what }) => what))].sort()
  const without = ['crash', 'cut', 'freeze', 'gateway', 'sender', 'stop', 'terminate']
  for (const seed of [0, 1, 2 ** 32 - 1]) {
    expect(kinds(killsOf(seed, 10))).toEqual(without)
    expect(kinds(killsOf(seed, 12, true))).toEqual([...without, 'collector'].sort())
  }
})

test('each gateway is killed by both signals, and connections are cut at every place of both sides', () => {
  const kills = killsOf(1, 400)
  const ends = kills.flatMap((kill) => (kill.what === 'gateway' ? `${kill.which} ${kill.signal}` : []))
  expect(new Set(ends).size).toBe(4)
  const cuts = kills.flatMap((kill) => (kill.what === 'cut' ? `${kill.of} ${kill.cut}` : []))
  expect(new Set(cuts).size).toBe(8)
})

test('the options of a soak through gateways', () => {
  expect(soakOptions(['--through', 'gateway', '--collector', '/x'])).toMatchObject({
    through: 'gateway',
    collector: '/x',
  })
  expect(() => soakOptions(['--through', 'wall'])).toThrow('--through must be gateway')
  expect(() => soakOptions(['--collector', '/x'])).toThrow('--through gateway')
})
