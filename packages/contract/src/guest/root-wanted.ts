/** What is asked of a machine whose files are only read; see docs/agent-protocol.md. */
import { encodePercent } from '../query.ts';

/** Names of the guest's, without a slash before them */
export type RootWanted = {
  /** Left out, with what is in it; and what it leads to, if it is a link */
  without: readonly string[];
  /** All that begins so is left out */
  withoutStarting: readonly string[];
  /** Given as the image has it, or left out */
  asInImage: readonly string[];
  /** In a file: a line that ends with the mark, and those after it up to so many */
  withoutLines: readonly { file: string; mark: string; lines: number }[];
  /** In a file: what the files of a folder say whose names begin so */
  withoutTextsOf: readonly { file: string; folder: string; start: string }[];
  /** In a folder: links to what is called so in the beginning */
  withoutLinksTo: readonly { folder: string; start: string }[];
};

/** As the body of the request, where names are any bytes. */
export function encodeRootWanted({ without, withoutStarting, asInImage, ...rest }: RootWanted): RootWanted {
  return {
    ...{ without: without.map(encodeName), withoutStarting: withoutStarting.map(encodeName) },
    ...{ asInImage: asInImage.map(encodeName), ...rest },
  };
}

function encodeName(name: string): string {
  return name.split('/').map(encodePercent).join('/');
}
