#!/usr/bin/env escript
%% The same in OTP: a one_for_one supervisor, a gen_server with a state, which fails, and whose replacement is
%% asked. Prints a line `ERROR KILL` of nanoseconds for each round.
-module(otp).
-mode(compile).
-export([main/1, init/1, handle_call/3, handle_cast/2, handle_info/2, start_keeper/2]).

%% Milliseconds between two failures.
-define(PAUSE, 5).

main([Rounds, Entries]) ->
    logger:set_primary_config(level, none),
    process_flag(trap_exit, true),
    {ok, _} = supervisor:start_link(?MODULE, {sup, self(), list_to_integer(Entries)}),
    receive up -> ok end,
    %% Code is loaded when it is first run.
    _ = [fall(Way) || _ <- lists:seq(1, 20), Way <- [fun fail/1, fun kill/1]],
    [io:format("~b ~b~n", [fall(fun fail/1), fall(fun kill/1)]) || _ <- lists:seq(1, list_to_integer(Rounds))].

fail(Keeper) -> gen_server:cast(Keeper, fail).

kill(Keeper) -> exit(Keeper, kill).

%% From the failure to the answer of whoever has the name then. Nobody is asked before there is somebody to ask.
fall(How) ->
    timer:sleep(?PAUSE),
    Old = whereis(keeper),
    From = erlang:monotonic_time(nanosecond),
    How(Old),
    receive up -> ok end,
    14 = gen_server:call(keeper, {get, 7}),
    erlang:monotonic_time(nanosecond) - From.

start_keeper(Who, Entries) -> gen_server:start_link({local, keeper}, ?MODULE, {keeper, Who, Entries}, []).

init({sup, Who, Entries}) ->
    Child = #{id => keeper, start => {?MODULE, start_keeper, [Who, Entries]}},
    {ok, {#{strategy => one_for_one, intensity => 1000000, period => 1}, [Child]}};
init({keeper, Who, Entries}) ->
    State = maps:from_list([{N, N * 2} || N <- lists:seq(0, Entries - 1)]),
    Who ! up,
    {ok, State}.

handle_call({get, N}, _, State) -> {reply, maps:get(N, State), State}.

handle_cast(fail, _) -> exit(it_failed).

handle_info(_, State) -> {noreply, State}.
