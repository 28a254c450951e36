import { randomInt } from 'node:crypto'
import { differential } from '../test/support/gateway/differential.js'

// `npm run gateway:fuzz [-- <runs> [<seed>]]`

const [runs = '30000', seed = String(randomInt(2 ** 32))] = process.argv.slice(2)
const began = performance.now()
const tally = differential(Number(runs), Number(seed))
const seconds = ((performance.now() - began) / 1000).toFixed(1)
console.log(JSON.stringify({ runs: Number(runs), seed: Number(seed), seconds, ...tally }, undefined, 2))
process.exitCode = tally.differ === 0 ? 0 : 1
