/** Readable names for vms that were given none: an adjective, a noun, and digits only once those run out. */
import { randomInt } from 'node:crypto';
import { parseVmName, type VmName } from '@banger/contract/names.ts';

const ADJECTIVES =
  'able amber bold brave bright brisk calm clear clever cosy crisp dapper eager early fair fleet fond fresh gentle glad golden grand happy hardy jolly keen kind lively lucky merry mellow neat nimble noble plucky polite proud quick quiet ready rosy sharp shiny silver sleek smart snug solid spry steady sunny swift tidy vivid warm wise witty zesty'.split(
    ' ',
  );
const NOUNS =
  'acorn alder badger beacon birch bison brook cedar comet condor cove crane delta dingo ember falcon fern finch fjord fox gecko glade grove gull hare harbor hawk heron hill iris ivy jay kite koala lake lark lemur lily lynx maple marten meadow moose newt oak orca otter owl panda pebble pine plover puffin quail raven reef ridge robin sable sparrow spruce stoat swan tern thistle trout vale walnut willow wren yak'.split(
    ' ',
  );

export function generateVmName(
  isTaken: (name: VmName) => boolean,
  pick: (below: number) => number = randomInt,
): VmName {
  for (let attempt = 0; ; attempt++) {
    const words = `${ADJECTIVES[pick(ADJECTIVES.length)]}-${NOUNS[pick(NOUNS.length)]}`;
    const name = parseVmName(attempt < 20 ? words : `${words}-${pick(1_000_000)}`);
    if (!isTaken(name)) return name;
  }
}
