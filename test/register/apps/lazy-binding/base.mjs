// A class that is bound when it is asked for: what esbuild and rolldown make of a module that they load lazily.
var Base
function init() {
  Base = class Base {
    name = 'base'
  }
}
export { Base, init }
