/** A yes or no in a query. */
import { z } from 'zod';

export const queryFlag = z
  .enum(['true', 'false'])
  .default('false')
  .transform((text) => text === 'true');
