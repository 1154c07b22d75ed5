#include "ext/wire/bytes.hpp"
