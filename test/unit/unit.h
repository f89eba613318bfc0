#pragma once
/* What every unit test includes: cmocka and what cmocka itself needs first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
