import { Base, init } from './base.mjs'

init()
class Sub extends Base {}
console.log('ok:', Sub.name)
