"""What a function under construction keeps beside its code."""

from kernelwright.compiler.codegen.text import FunctionText


def test_equal_constants_of_a_module_are_one() -> None:
    f = FunctionText("define void @f()")
    names = [f.constant(*given) for given in (("text", '[1 x i8] c"a"'), ("text", '[1 x i8] c"b"'), ("table", "i32 1"))]
    assert names == ["@kw_text0", "@kw_text1", "@kw_table0"]
    assert f.constant("text", '[1 x i8] c"a"') == "@kw_text0"
    assert f.globals[next(iter(f.globals))] == '@kw_text0 = internal constant [1 x i8] c"a"'
